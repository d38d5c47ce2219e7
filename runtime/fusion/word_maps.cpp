// What is made of collected maps on the host: pictures of words.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/checks.hpp"
#include "base/text.hpp"
#include "weft/attention_map.hpp"

namespace weft {
namespace {

using checks::Rules;

constexpr float kSumFloor = 1e-6f, kRangeFloor = 1e-8f;

// Cubic convolution (Keys 1981) with a = -0.75: weights of the four pixels around a place, `t`
// behind the second.
std::array<double, 4> cubic_weights(double t) {
  constexpr double a = -0.75;
  const auto near = [](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

// Four pixels and their weights for each new pixel of an axis; edges repeat.
struct Tap {
  std::array<int64_t, 4> at{};
  std::array<double, 4> weight{};
};
std::vector<Tap> taps(int64_t from, int64_t to) {
  std::vector<Tap> all(static_cast<size_t>(to));
  for (int64_t i = 0; i < to; ++i) {
    const double place =
        (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
    const double below = std::floor(place);
    Tap& tap = all[static_cast<size_t>(i)];
    tap.weight = cubic_weights(place - below);
    for (int64_t k = 0; k < 4; ++k)
      tap.at[static_cast<size_t>(k)] =
          std::clamp<int64_t>(static_cast<int64_t>(below) - 1 + k, 0, from - 1);
  }
  return all;
}

// Resizes pictures of one size: reads pixel(place), gives put(place, value).
class Resizer {
 public:
  Resizer(int64_t height, int64_t width, int64_t new_height, int64_t new_width)
      : height_(height),
        width_(width),
        rows_(taps(height, new_height)),
        columns_(taps(width, new_width)) {}

  template <class Pixel, class Put>
  void run(const Pixel& pixel, const Put& put) {
    narrow_.resize(static_cast<size_t>(height_) * columns_.size());
    for (int64_t y = 0; y < height_; ++y)
      for (size_t x = 0; x < columns_.size(); ++x) {
        double sum = 0;
        for (size_t k = 0; k < 4; ++k)
          sum += columns_[x].weight[k] * pixel(y * width_ + columns_[x].at[k]);
        narrow_[static_cast<size_t>(y) * columns_.size() + x] = sum;
      }
    for (size_t y = 0; y < rows_.size(); ++y)
      for (size_t x = 0; x < columns_.size(); ++x) {
        double sum = 0;
        for (size_t k = 0; k < 4; ++k)
          sum += rows_[y].weight[k] *
                 narrow_[static_cast<size_t>(rows_[y].at[k]) * columns_.size() + x];
        put(y * columns_.size() + x, sum);
      }
  }

 private:
  int64_t height_, width_;
  std::vector<Tap> rows_, columns_;
  std::vector<double> narrow_;
};

Result<void> check_sides(const Rules& rules, int64_t height, int64_t width) {
  if (height < 1 || width < 1 || height > checks::kMaxCount || width > checks::kMaxCount)
    return rules.broken(text("the picture is ", height, " x ", width, "; both sides must be 1 to ",
                             checks::kMaxCount));
  return {};
}

Result<void> check_layers(const Rules& rules, std::span<const LayerMap> layers, int64_t item) {
  if (layers.empty()) return rules.broken("layers is empty; there must be at least one");
  for (const LayerMap& map : layers) {
    if (item < 0 || item >= map.items)
      return rules.broken(text("item is ", item, "; layer ", map.layer, " has ", map.items));
    if (map.words != layers[0].words)
      return rules.broken(text("layer ", map.layer, " has ", map.words, " words, layer ",
                               layers[0].layer, " has ", layers[0].words));
    if (static_cast<int64_t>(map.values.size()) != map.items * map.heads * map.q_len * map.words)
      return rules.broken(text("layer ", map.layer, " has ", map.values.size(),
                               " values; its sizes ask for ",
                               map.items * map.heads * map.q_len * map.words));
  }
  return {};
}

// Sides of a layer's rows in the ratio of height to width; 0 where there are none.
int64_t side_of(int64_t q_len, int64_t height, int64_t width) {
  const double exact = std::sqrt(static_cast<double>(q_len) * static_cast<double>(height) /
                                 static_cast<double>(width));
  const auto side = static_cast<int64_t>(std::llround(exact));
  const bool whole = side > 0 && q_len % side == 0;
  return whole && side * width == q_len / side * height ? side : 0;
}

const float* rows_of(const LayerMap& map, int64_t item, int64_t head) {
  return map.values.data() + (item * map.heads + head) * map.q_len * map.words;
}

WordMaps divided(const std::vector<double>& sums, double count, int64_t words, int64_t height,
                 int64_t width) {
  WordMaps maps{words, height, width, std::vector<float>(sums.size())};
  std::ranges::transform(sums, maps.values.begin(),
                         [count](double sum) { return static_cast<float>(sum / count); });
  return maps;
}

// exp(sharpness (x - largest)) over the words of each pixel, divided by its sum.
void softmax_over_words(WordMaps& maps, float sharpness) {
  const int64_t pixels = maps.height * maps.width;
  for (int64_t p = 0; p < pixels; ++p) {
    const auto at = [&](int64_t w) -> float& {
      return maps.values[static_cast<size_t>(w * pixels + p)];
    };
    double top = -INFINITY, sum = 0;
    for (int64_t w = 0; w < maps.words; ++w) top = std::max(top, double{sharpness} * at(w));
    for (int64_t w = 0; w < maps.words; ++w) sum += std::exp(double{sharpness} * at(w) - top);
    for (int64_t w = 0; w < maps.words; ++w)
      at(w) = static_cast<float>(std::exp(double{sharpness} * at(w) - top) / sum);
  }
}

void smooth(std::span<float> map, int64_t height, int64_t width) {
  const double side = std::exp(-1.0), all = 1 + 2 * side;  // (1 / (2 * 0.5))^2 is 1
  const auto reflected = [](int64_t i, int64_t length) {
    return i < 0 ? 1 : i >= length ? length - 2 : i;
  };
  std::vector<float> result(map.size());
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      double sum = 0;
      for (int64_t dy = -1; dy <= 1; ++dy)
        for (int64_t dx = -1; dx <= 1; ++dx)
          sum += (dy != 0 ? side : 1) * (dx != 0 ? side : 1) *
                 map[static_cast<size_t>(reflected(y + dy, height) * width +
                                         reflected(x + dx, width))];
      result[static_cast<size_t>(y * width + x)] = static_cast<float>(sum / (all * all));
    }
  std::ranges::copy(result, map.begin());
}

}  // namespace

Result<std::vector<float>> resize_bicubic(std::span<const float> map, int64_t height, int64_t width,
                                          int64_t new_height, int64_t new_width) {
  const Rules rules{"resize_bicubic"};
  WEFT_TRY(check_sides(rules, height, width));
  WEFT_TRY(check_sides(rules, new_height, new_width));
  if (static_cast<int64_t>(map.size()) != height * width)
    return rules.broken(text("map has ", map.size(), " values; it must have ", height * width));
  std::vector<float> resized(static_cast<size_t>(new_height * new_width));
  Resizer(height, width, new_height, new_width)
      .run([&](int64_t at) { return double{map[static_cast<size_t>(at)]}; },
           [&](size_t at, double value) { resized[at] = static_cast<float>(value); });
  return resized;
}

Result<WordMaps> mean_maps(std::span<const LayerMap> layers, int64_t item, int64_t height,
                           int64_t width) {
  const Rules rules{"mean_maps"};
  WEFT_TRY(check_sides(rules, height, width));
  WEFT_TRY(check_layers(rules, layers, item));
  const int64_t words = layers[0].words;
  std::vector<double> sums(static_cast<size_t>(words * height * width));
  double count = 0;
  for (const LayerMap& map : layers) {
    const int64_t side = side_of(map.q_len, height, width);
    if (side == 0)
      return rules.broken(text("layer ", map.layer, " has ", map.q_len,
                               " rows, which have no sides in the ratio of ", height, " to ",
                               width));
    Resizer resizer(side, map.q_len / side, height, width);
    const auto heads = static_cast<double>(map.heads_in_mean);
    for (int64_t head = 0; head < map.heads; ++head) {
      count += heads;
      const float* rows = rows_of(map, item, head);
      for (int64_t word = 0; word < words; ++word)
        resizer.run(
            [&](int64_t at) { return double{rows[at * words + word]}; },
            [&, first = static_cast<size_t>(word * height * width)](size_t at, double value) {
              sums[first + at] += heads * std::max(value, 0.0);
            });
    }
  }
  return divided(sums, count, words, height, width);
}

Result<WordMaps> group_words(const WordMaps& maps, std::span<const std::vector<uint32_t>> groups) {
  const Rules rules{"group_words"};
  const int64_t pixels = maps.height * maps.width;
  if (static_cast<int64_t>(maps.values.size()) != maps.words * pixels)
    return rules.broken(
        text("maps has ", maps.values.size(), " values; its sizes ask for ", maps.words * pixels));
  WordMaps grouped{static_cast<int64_t>(groups.size()), maps.height, maps.width, {}};
  grouped.values.reserve(groups.size() * static_cast<size_t>(pixels));
  for (size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].empty())
      return rules.broken(text("groups[", i, "] is empty; a word has at least one map"));
    for (const uint32_t word : groups[i])
      if (word >= maps.words)
        return rules.broken(
            text("groups[", i, "] lists ", word, "; it must be below ", maps.words));
    for (int64_t p = 0; p < pixels; ++p) {
      double sum = 0;
      for (const uint32_t word : groups[i])
        sum += maps.values[static_cast<size_t>(word * pixels + p)];
      grouped.values.push_back(static_cast<float>(sum / static_cast<double>(groups[i].size())));
    }
  }
  return grouped;
}

void normalize_over_words(WordMaps& maps) {
  const size_t pixels = static_cast<size_t>(maps.height * maps.width);
  for (size_t p = 0; p < pixels; ++p) {
    double sum = kSumFloor;
    for (size_t at = p; at < maps.values.size(); at += pixels) sum += maps.values[at];
    for (size_t at = p; at < maps.values.size(); at += pixels)
      maps.values[at] = static_cast<float>(maps.values[at] / sum);
  }
}

void scale_to_range(WordMaps& maps) {
  const size_t pixels = static_cast<size_t>(maps.height * maps.width);
  for (size_t first = 0; pixels > 0 && first + pixels <= maps.values.size(); first += pixels) {
    const std::span<float> map(maps.values.data() + first, pixels);
    const auto [least, largest] = std::ranges::minmax(map);
    for (float& value : map) value = (value - least) / (largest - least + kRangeFloor);
  }
}

Result<WordMaps> excite_maps(std::span<const LayerMap> layers, int64_t item, int64_t height,
                             int64_t width, const ExciteOptions& options) {
  const Rules rules{"excite_maps"};
  WEFT_TRY(check_sides(rules, height, width));
  WEFT_TRY(check_layers(rules, layers, item));
  if (options.smooth && (height < 2 || width < 2))
    return rules.broken(text("the picture is ", height, " x ", width,
                             "; to be smoothed its sides must be at least 2"));
  const int64_t first = options.first_word;
  if (first < 0 || options.last_words < 0 || first >= layers[0].words - options.last_words)
    return rules.broken(text("of ", layers[0].words, " words, ", first,
                             " are dropped at the beginning and ", options.last_words,
                             " at the end; at least one must be left"));
  const int64_t words = layers[0].words - first - options.last_words;
  std::vector<double> sums(static_cast<size_t>(words * height * width));
  double count = 0;
  for (const LayerMap& map : layers) {
    if (map.q_len != height * width) continue;
    for (int64_t head = 0; head < map.heads; ++head) {
      count += static_cast<double>(map.heads_in_mean);
      const float* rows = rows_of(map, item, head);
      for (int64_t word = 0; word < words; ++word)
        for (int64_t p = 0; p < map.q_len; ++p)
          sums[static_cast<size_t>(word * map.q_len + p)] +=
              static_cast<double>(map.heads_in_mean) * rows[p * map.words + first + word];
    }
  }
  if (count == 0) return rules.broken(text("no layer has ", height, " x ", width, " rows"));
  WordMaps maps = divided(sums, count, words, height, width);
  softmax_over_words(maps, options.sharpness);
  for (int64_t word = 0; options.smooth && word < words; ++word)
    smooth(std::span(maps.values)
               .subspan(static_cast<size_t>(word * height * width),
                        static_cast<size_t>(height * width)),
           height, width);
  return maps;
}

}  // namespace weft
