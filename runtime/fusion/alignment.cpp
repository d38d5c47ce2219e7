// Tokens to frames by dynamic time warping.
#include "weft/alignment.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/checks.hpp"
#include "base/text.hpp"

namespace weft {
namespace {

using checks::Rules;

enum Step : uint8_t { kBoth, kRow, kColumn };

Result<void> check_matrix(const Rules& rules, const char* name, size_t size, int64_t rows,
                          int64_t columns) {
  if (rows < 1 || columns < 1 || rows > checks::kMaxCount || columns > checks::kMaxCount)
    return rules.broken(
        text(name, " is ", rows, " x ", columns, "; both sides must be 1 to ", checks::kMaxCount));
  if (static_cast<int64_t>(size) != rows * columns)
    return rules.broken(text(name, " has ", size, " values; it must have ", rows * columns));
  return {};
}

Result<void> check_width(const Rules& rules, int64_t width) {
  if (width < 1 || width % 2 == 0 || width > checks::kMaxCount)
    return rules.broken(text("median width is ", width, "; it must be odd and at least 1"));
  return {};
}

struct Sizes {
  int64_t heads, tokens, frames, counted;  // of `frames`, `counted` take part
};

Result<Sizes> check(const Rules& rules, size_t logits, int64_t heads, int64_t tokens,
                    int64_t frames, const AlignmentOptions& options) {
  if (heads < 1 || heads > checks::kMaxCount)
    return rules.broken(text("heads is ", heads, "; it must be at least 1"));
  if (logits % static_cast<size_t>(heads) != 0)
    return rules.broken(
        text("logits has ", logits, " values, which ", heads, " heads can't share"));
  WEFT_TRY(
      check_matrix(rules, "a head of logits", logits / static_cast<size_t>(heads), tokens, frames));
  WEFT_TRY(check_width(rules, options.median_width));
  if (options.frames < 0 || options.frames > frames)
    return rules.broken(
        text("frames is ", options.frames, "; it must be 0 to ", frames, ", the logits' keys"));
  if (!std::isfinite(options.scale)) return rules.broken("scale is not finite");
  if (options.first_tokens < 0 || options.last_tokens < 0 ||
      options.first_tokens >= tokens - options.last_tokens)
    return rules.broken(text("of ", tokens, " tokens, ", options.first_tokens,
                             " are dropped at the beginning and ", options.last_tokens,
                             " at the end; at least one must be left"));
  return Sizes{heads, tokens, frames, options.frames != 0 ? options.frames : frames};
}

// One head's probabilities over the frames that count.
std::vector<float> softmax(const float* logits, const Sizes& sizes, float scale) {
  std::vector<float> result(static_cast<size_t>(sizes.tokens * sizes.counted));
  for (int64_t token = 0; token < sizes.tokens; ++token) {
    const float* from = logits + token * sizes.frames;
    float* to = result.data() + token * sizes.counted;
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t j = 0; j < sizes.counted; ++j) top = std::max(top, double{from[j]} * scale);
    for (int64_t j = 0; j < sizes.counted; ++j) sum += std::exp(double{from[j]} * scale - top);
    for (int64_t j = 0; j < sizes.counted; ++j)
      to[j] = static_cast<float>(std::exp(double{from[j]} * scale - top) / sum);
  }
  return result;
}

// Every frame's column to mean 0 and deviation 1 over the tokens.
void normalize_columns(std::vector<float>& matrix, const Sizes& sizes) {
  const auto count = static_cast<double>(sizes.tokens);
  for (int64_t j = 0; j < sizes.counted; ++j) {
    const auto at = [&](int64_t token) -> float& {
      return matrix[static_cast<size_t>(token * sizes.counted + j)];
    };
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < sizes.tokens; ++i) mean += at(i) / count;
    for (int64_t i = 0; i < sizes.tokens; ++i) squares += (at(i) - mean) * (at(i) - mean) / count;
    const double deviation = std::sqrt(squares);
    for (int64_t i = 0; i < sizes.tokens; ++i)
      at(i) = deviation > 0 ? static_cast<float>((at(i) - mean) / deviation) : 0.0f;
  }
}

// `width` must be odd.
std::vector<float> filtered(std::span<const float> matrix, int64_t rows, int64_t columns,
                            int64_t width) {
  const int64_t half = width / 2;
  std::vector<float> result(matrix.begin(), matrix.end());
  if (columns <= half || half == 0) return result;
  std::vector<float> window(static_cast<size_t>(width));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t k = -half; k <= half; ++k) {
        int64_t from = std::abs(j + k);
        if (from >= columns) from = 2 * (columns - 1) - from;
        window[static_cast<size_t>(k + half)] = matrix[static_cast<size_t>(row * columns + from)];
      }
      std::nth_element(window.begin(), window.begin() + half, window.end());
      result[static_cast<size_t>(row * columns + j)] = window[static_cast<size_t>(half)];
    }
  return result;
}

std::vector<float> make_matrix(std::span<const float> logits, const Sizes& sizes,
                               const AlignmentOptions& options) {
  const int64_t left = sizes.tokens - options.first_tokens - options.last_tokens;
  std::vector<double> sums(static_cast<size_t>(left * sizes.counted));
  for (int64_t head = 0; head < sizes.heads; ++head) {
    std::vector<float> one =
        softmax(logits.data() + head * sizes.tokens * sizes.frames, sizes, options.scale);
    normalize_columns(one, sizes);
    one = filtered(one, sizes.tokens, sizes.counted, options.median_width);
    const float* rows = one.data() + options.first_tokens * sizes.counted;
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += rows[i];
  }
  std::vector<float> matrix(sums.size());
  std::ranges::transform(sums, matrix.begin(), [&](double sum) {
    return static_cast<float>(sum / static_cast<double>(sizes.heads));
  });
  return matrix;
}

}  // namespace

Result<WarpPath> dynamic_time_warping(std::span<const float> matrix, int64_t rows,
                                      int64_t columns) {
  const Rules rules{"dynamic_time_warping"};
  WEFT_TRY(check_matrix(rules, "matrix", matrix.size(), rows, columns));
  if (std::ranges::any_of(matrix, [](float x) { return std::isnan(x); }))
    return rules.broken("matrix holds NaN");
  // Sums of the row above and of this one, with a column of infinity before the first.
  const auto size = static_cast<size_t>(columns) + 1;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> above(size, kInfinity), here(size, kInfinity);
  std::vector<Step> steps(static_cast<size_t>(rows * columns));
  above[0] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (size_t j = 1; j < size; ++j) {
      const size_t at = static_cast<size_t>(i * columns) + j - 1;
      const float both = above[j - 1], row = above[j], column = here[j - 1];
      steps[at] = both < row && both < column ? kBoth : row < both && row < column ? kRow : kColumn;
      here[j] = matrix[at] + (steps[at] == kBoth ? both : steps[at] == kRow ? row : column);
    }
    std::swap(above, here);
    here[0] = above[0] = kInfinity;
  }
  WarpPath path;
  for (int64_t i = rows - 1, j = columns - 1; i >= 0 && j >= 0;) {
    path.rows.push_back(i);
    path.columns.push_back(j);
    // At an edge there is one way left, whatever the sums say (they may be infinite).
    Step step = steps[static_cast<size_t>(i * columns + j)];
    if (i == 0 && j > 0) step = kColumn;
    if (j == 0 && i > 0) step = kRow;
    if (step != kColumn) --i;
    if (step != kRow) --j;
  }
  std::ranges::reverse(path.rows);
  std::ranges::reverse(path.columns);
  return path;
}

Result<std::vector<float>> median_filter(std::span<const float> matrix, int64_t rows,
                                         int64_t columns, int64_t width) {
  const Rules rules{"median_filter"};
  WEFT_TRY(check_matrix(rules, "matrix", matrix.size(), rows, columns));
  WEFT_TRY(check_width(rules, width));
  return filtered(matrix, rows, columns, width);
}

Result<std::vector<float>> alignment_matrix(std::span<const float> logits, int64_t heads,
                                            int64_t tokens, int64_t frames,
                                            const AlignmentOptions& options) {
  const Rules rules{"alignment_matrix"};
  WEFT_ASSIGN(const Sizes sizes, check(rules, logits.size(), heads, tokens, frames, options));
  return make_matrix(logits, sizes, options);
}

Result<Alignment> align(std::span<const float> logits, int64_t heads, int64_t tokens,
                        int64_t frames, const AlignmentOptions& options) {
  const Rules rules{"align"};
  WEFT_ASSIGN(const Sizes sizes, check(rules, logits.size(), heads, tokens, frames, options));
  if (!(options.frames_per_second > 0)) return rules.broken("frames_per_second must be above 0");
  std::vector<float> matrix = make_matrix(logits, sizes, options);
  for (float& value : matrix) value = -value;
  Alignment found;
  const int64_t left = static_cast<int64_t>(matrix.size()) / sizes.counted;
  WEFT_ASSIGN(found.path, dynamic_time_warping(matrix, left, sizes.counted));
  for (size_t i = 0; i < found.path.rows.size(); ++i)
    if (i == 0 || found.path.rows[i] != found.path.rows[i - 1])
      found.seconds.push_back(static_cast<double>(found.path.columns[i]) /
                              options.frames_per_second);
  return found;
}

Result<Alignment> align(std::span<const LayerMap> layers, int64_t item,
                        const AlignmentOptions& options) {
  const Rules rules{"align"};
  if (layers.empty()) return rules.broken("layers is empty; there must be at least one");
  std::vector<float> logits;
  int64_t heads = 0;
  for (const LayerMap& map : layers) {
    if (item < 0 || item >= map.items)
      return rules.broken(text("item is ", item, "; layer ", map.layer, " has ", map.items));
    if (map.q_len != layers[0].q_len || map.words != layers[0].words)
      return rules.broken(text("layer ", map.layer, " is ", map.q_len, " x ", map.words, "; layer ",
                               layers[0].layer, " is ", layers[0].q_len, " x ", layers[0].words));
    const auto size = static_cast<size_t>(map.heads * map.q_len * map.words);
    if (map.values.size() != static_cast<size_t>(map.items) * size)
      return rules.broken(text("layer ", map.layer, " has ", map.values.size(),
                               " values; its sizes ask for ",
                               static_cast<size_t>(map.items) * size));
    const auto first =
        map.values.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(item) * size);
    logits.insert(logits.end(), first, first + static_cast<ptrdiff_t>(size));
    heads += map.heads;
  }
  return align(logits, heads, layers[0].q_len, layers[0].words, options);
}

}  // namespace weft
