#include "ground/render.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <glm/glm.hpp>
#include <span>
#include <utility>

#include "ground/canvas.hpp"
#include "ground/colormap.hpp"
#include "ground/font.hpp"

namespace weft::ground {
namespace {

// Lengths in pixels.
constexpr float kMargin = 36.0f;
constexpr float kGap = 28.0f;  // between the panels
constexpr float kPanelSide = 512.0f;
constexpr float kLeastPanelWidth = 340.0f;   // room for the headings and the scale's ticks,
constexpr float kLeastPanelHeight = 120.0f;  // also with pictures that are very narrow or flat
constexpr float kLeastWordWidth = 90.0f;
constexpr float kComparedSide = 384.0f;      // of a picture before or after
constexpr float kRowGap = 20.0f;             // between an answer and its heat map
constexpr float kCorner = 8.0f;
constexpr float kScaleGap = 18.0f;  // between the heat map and its scale
constexpr float kScaleWidth = 14.0f;
constexpr float kTickRoom = 42.0f;  // right of the scale
constexpr float kWordGap = 16.0f;
constexpr float kMaxWordSide = 212.0f;
constexpr size_t kMaxWordsPerRow = 10;

constexpr TextStyle kTitle{.capital_px = 21.0f, .stroke = 0.15f};
constexpr TextStyle kHeading{.capital_px = 12.0f, .stroke = 0.16f};
constexpr TextStyle kNote{.capital_px = 10.5f, .stroke = 0.13f};
constexpr TextStyle kWord{.capital_px = 12.5f, .stroke = 0.15f};

constexpr const char* kTagNote = "the tag gives the highest probability";
constexpr const char* kNothingNote = "no patch reaches the threshold";

const Colour3 kBackground = rgb(0x11141B);
const Colour3 kFrame = rgb(0x2B313D);
const Colour3 kBright = rgb(0xF2F4F8);
const Colour3 kDim = rgb(0x97A1B3);
const Colour3 kBoxLine = rgb(0xFFFFFF);
const Colour3 kBoxEdge = rgb(0x05070B);

struct Size {
  uint32_t width = 0;
  uint32_t height = 0;
};

std::string percent(float share) {
  const float value = 100.0f * share;
  if (value < 1.0f) return "<1%";
  if (value > 99.0f && value < 100.0f) return ">99%";
  return std::to_string(std::lround(value)) + "%";
}

// The input's size when its longer side is nearly `side` pixels: a whole multiple if it is small.
Size panel_size(const Image& image, float side) {
  const auto longer = static_cast<float>(std::max(image.width, image.height));
  float factor = side / longer;
  if (factor >= 4.0f) factor = std::floor(factor);
  const auto scaled = [&](uint32_t length) {
    return std::max(1u, static_cast<uint32_t>(std::lround(static_cast<float>(length) * factor)));
  };
  return {scaled(image.width), scaled(image.height)};
}

// Enlarged by repeating pixels, if by whole steps; else with the library's filter.
Result<Image> scaled(const Image& image, Size size) {
  if (size.width % image.width != 0 || size.height % image.height != 0) {
    return resize(image, size.width, size.height);
  }
  Image large{size.width, size.height, 3, {}};
  large.pixels.reserve(size_t{size.width} * size.height * 3);
  for (uint32_t y = 0; y < size.height; ++y) {
    const size_t row = size_t{y / (size.height / image.height)} * image.width;
    for (uint32_t x = 0; x < size.width; ++x) {
      const uint8_t* pixel = &image.pixels[(row + x / (size.width / image.width)) * 3];
      large.pixels.insert(large.pixels.end(), pixel, pixel + 3);
    }
  }
  return large;
}

// The map's colours over the faded picture, which shows where things are; the higher a value, the
// less of the picture.
Image heated(Image picture, std::span<const float> map, float peak) {
  constexpr float kSaturation = 0.35f, kLeastOpacity = 0.62f, kMostOpacity = 0.90f;
  const std::vector<float> values =
      upsample(map, kGridSide, kGridSide, picture.width, picture.height);
  for (size_t i = 0; i < values.size(); ++i) {
    uint8_t* pixel = &picture.pixels[3 * i];
    const glm::vec3 colour(pixel[0], pixel[1], pixel[2]);
    const glm::vec3 grey(glm::dot(colour, glm::vec3(0.299f, 0.587f, 0.114f)));
    const float value = std::min(values[i] / peak, 1.0f);
    const std::array<uint8_t, 3> heat = heat_colour(value);
    const glm::vec3 mixed =
        glm::mix(glm::mix(grey, colour, kSaturation), glm::vec3(heat[0], heat[1], heat[2]),
                 glm::mix(kLeastOpacity, kMostOpacity, value));
    for (int c = 0; c < 3; ++c) pixel[c] = static_cast<uint8_t>(std::lround(mixed[c]));
  }
  return picture;
}

// Where everything goes.
struct Layout {
  Size panel;               // the enlarged picture
  Size word;                // the picture in a word's map
  float panel_room = 0.0f;  // width kept for one
  float word_room = 0.0f;
  float width = 0.0f;  // of the page without its margins
  float height = 0.0f;
  float title_y = 0.0f;  // base lines of text; upper edges of pictures
  float heading_y = 0.0f;
  float panel_y = 0.0f;
  float words_heading_y = 0.0f;
  float words_y = 0.0f;
  size_t words_per_row = 0;
  float word_pitch_y = 0.0f;
  float caption_y = 0.0f;

  // The head of a page, and the room for pictures beside each other, whose longer side is `side`.
  Layout(const Image& image, decltype(kPanelSide) side)
      : panel(panel_size(image, side)),
        panel_room(std::max(static_cast<float>(panel.width), kLeastPanelWidth)),
        width(2 * panel_room + kGap + kScaleGap + kScaleWidth + kTickRoom),
        title_y(kMargin + kTitle.capital_px),
        heading_y(title_y + 40.0f),
        panel_y(heading_y + 14.0f) {}

  float panel_x(size_t index) const {
    return kMargin + static_cast<float>(index) * (panel_room + kGap);
  }
};

Layout lay_out(const Report& report) {
  Layout layout(report.image, kPanelSide);
  float y = layout.panel_y + std::max(static_cast<float>(layout.panel.height), kLeastPanelHeight);
  if (!report.words.empty()) {
    const size_t count = report.words.size();
    const size_t rows = (count + kMaxWordsPerRow - 1) / kMaxWordsPerRow;
    layout.words_per_row = (count + rows - 1) / rows;
    const auto columns = static_cast<float>(layout.words_per_row);
    const float room = (layout.width - kWordGap * (columns - 1.0f)) / columns;
    layout.word = panel_size(report.image, std::floor(std::min(room, kMaxWordSide)));
    layout.word_room =
        std::max(static_cast<float>(layout.word.width), std::min(room, kLeastWordWidth));
    layout.words_heading_y = y + 46.0f;
    layout.words_y = layout.words_heading_y + 16.0f;
    layout.word_pitch_y = static_cast<float>(layout.word.height) + 40.0f;
    y = layout.words_y + layout.word_pitch_y * static_cast<float>(rows) - 14.0f;
  }
  if (!report.caption.empty()) y = layout.caption_y = y + 44.0f;
  layout.height = y + kMargin;
  return layout;
}

// Smaller type first, then fewer letters, until the text fits.
void fitted_text(Canvas& canvas, float x, float y, std::string text, TextStyle style,
                 Colour3 colour, float room) {
  const float smallest = 0.6f * style.capital_px;
  while (style.capital_px > smallest && text_width(text, style) > room) style.capital_px -= 0.5f;
  if (text_width(text, style) > room) {
    while (!text.empty() && text_width(text + "...", style) > room) text.pop_back();
    text += "...";
  }
  canvas.text(x, y, text, style, colour);
}

void heading(Canvas& canvas, float x, float y, const std::string& title, const std::string& note) {
  canvas.text(x, y, title, kHeading, kBright);
  canvas.text(x + text_width(title, kHeading) + 14.0f, y, note, kNote, kDim);
}

// The picture in a thin frame.
void framed(Canvas& canvas, float x, float y, const Image& picture) {
  const Rect frame{x, y, static_cast<float>(picture.width), static_cast<float>(picture.height)};
  canvas.picture(static_cast<int32_t>(x), static_cast<int32_t>(y), kCorner, picture);
  canvas.outline(frame.grown(1.0f), kCorner + 1.0f, 1.0f, kFrame);
}

float highest(std::span<const float> values) { return *std::ranges::max_element(values); }

// Where a picture is shown.
struct Panel {
  float x = 0.0f;
  float y = 0.0f;
  Size size;
};

// Around the box, but never beyond the panel.
Rect box_on_panel(const Image& image, const Box& box, const Panel& panel, float beyond) {
  const glm::vec2 origin(panel.x, panel.y);
  const glm::vec2 room(static_cast<float>(panel.size.width), static_cast<float>(panel.size.height));
  const glm::vec2 scale =
      room / glm::vec2(static_cast<float>(image.width), static_cast<float>(image.height));
  const glm::vec2 low = glm::vec2(static_cast<float>(box.x0), static_cast<float>(box.y0)) * scale;
  const glm::vec2 high = glm::vec2(static_cast<float>(box.x1), static_cast<float>(box.y1)) * scale;
  const glm::vec2 from = glm::round(glm::max(low - beyond, 0.0f));
  const glm::vec2 size = glm::round(glm::min(high + beyond, room)) - from;
  return {origin.x + from.x, origin.y + from.y, size.x, size.y};
}

// White between dark edges, which stands out from any colour, with the highest probability on it.
void draw_box(Canvas& canvas, const Image& image, const Box& box, float probability,
              const Panel& panel) {
  constexpr float kLine = 3.0f, kEdge = 1.5f, kBoxCorner = 4.0f, kPadding = 6.0f;
  const Rect outer = box_on_panel(image, box, panel, kLine + kEdge);
  const Rect line = outer.grown(-kEdge);
  const std::string label = percent(probability);
  const float height = kHeading.capital_px + 2 * kPadding;
  const bool fits_above = line.y - height >= panel.y;
  const Rect tag{line.x, fits_above ? line.y - height + kLine : line.y,
                 text_width(label, kHeading) + 2 * kPadding, height};
  canvas.fill(tag.grown(kEdge), kBoxCorner + kEdge, kBoxEdge, 0.85f);
  canvas.outline(outer, kBoxCorner + kEdge, kLine + 2 * kEdge, kBoxEdge, 0.85f);
  canvas.outline(line, kBoxCorner, kLine, kBoxLine);
  canvas.fill(tag, kBoxCorner, kBoxLine);
  canvas.text(tag.x + kPadding, tag.y + kPadding + kHeading.capital_px, label, kHeading, kBoxEdge);
}

// The colours from 0 at the bottom to 1 at the top.
void draw_scale(Canvas& canvas, const Panel& panel) {
  const float x = panel.x + static_cast<float>(panel.size.width) + kScaleGap;
  const auto width = static_cast<uint32_t>(kScaleWidth);
  const auto height = std::max(panel.size.height, static_cast<uint32_t>(kLeastPanelHeight));
  Image bar{width, height, 3, {}};
  for (uint32_t y = 0; y < bar.height; ++y) {
    const float value = 1.0f - (static_cast<float>(y) + 0.5f) / static_cast<float>(bar.height);
    const std::array<uint8_t, 3> colour = heat_colour(value);
    for (uint32_t i = 0; i < width; ++i) {
      bar.pixels.insert(bar.pixels.end(), colour.begin(), colour.end());
    }
  }
  const Rect frame{x, panel.y, kScaleWidth, static_cast<float>(bar.height)};
  canvas.picture(static_cast<int32_t>(x), static_cast<int32_t>(panel.y), 4.0f, bar);
  canvas.outline(frame.grown(1.0f), 5.0f, 1.0f, kFrame);
  for (const auto& [value, label] :
       {std::pair{1.0f, "1"}, {0.75f, "0.75"}, {0.5f, "0.5"}, {0.25f, "0.25"}, {0.0f, "0"}}) {
    constexpr float kInset = 6.0f;
    const float y = frame.y + kInset + (1.0f - value) * (frame.height - 2 * kInset);
    canvas.text(x + kScaleWidth + 8.0f, y + 0.5f * kNote.capital_px, label, kNote, kDim);
  }
}

void draw_panels(Canvas& canvas, const Report& report, const Layout& layout, const Image& picture) {
  const bool found = !report.box.empty();
  const Panel answer{layout.panel_x(0), layout.panel_y, layout.panel};
  const Panel map{layout.panel_x(1), layout.panel_y, layout.panel};
  heading(canvas, answer.x, layout.heading_y, "Answer", found ? kTagNote : kNothingNote);
  framed(canvas, answer.x, answer.y, picture);
  if (found)
    draw_box(canvas, report.image, report.box, highest(report.probabilities), answer);
  heading(canvas, map.x, layout.heading_y, "Heat map", "probability of each patch");
  framed(canvas, map.x, map.y, heated(picture, report.probabilities, 1.0f));
  draw_scale(canvas, map);
}

void draw_words(Canvas& canvas, const Report& report, const Layout& layout, const Image& picture) {
  constexpr float kEvenShares = 4.0f;  // the least peak that gets the brightest colour
  heading(canvas, kMargin, layout.words_heading_y, "Attention of each word",
          "each map scaled to its own peak; the number is the peak patch's share");
  for (size_t i = 0; i < report.words.size(); ++i) {
    const auto map = std::span(report.word_maps).subspan(i * kGridPatches, kGridPatches);
    const float peak = highest(map);
    const float width = layout.word_room;
    const float x = kMargin + static_cast<float>(i % layout.words_per_row) * (width + kWordGap);
    const float y =
        layout.words_y + static_cast<float>(i / layout.words_per_row) * layout.word_pitch_y;
    framed(canvas, x, y, heated(picture, map, std::max(peak, kEvenShares / kGridPatches)));
    const float label_y = y + static_cast<float>(layout.word.height) + 9.0f + kWord.capital_px;
    const std::string share = percent(peak);
    canvas.text(x + width, label_y, share, kNote, kDim, Align::right);
    fitted_text(canvas, x, label_y, report.words[i], kWord, kBright,
                width - text_width(share, kNote) - 6.0f);
  }
}

bool all_proper(std::span<const float> values) {
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v) && v >= 0.0f; });
}

std::unexpected<Error> broken(std::string what) {
  return fail(Code::invalid_argument, "render: " + std::move(what));
}

Result<void> check_answer(const Image& image, std::span<const float> probabilities,
                          const Box& box) {
  const size_t bytes = size_t{image.width} * image.height * 3;
  if (image.channels != 3 || bytes == 0 || image.pixels.size() != bytes) {
    return broken("image must be RGB, width * height * 3 bytes; found " +
                  std::to_string(image.channels) + " channels and " +
                  std::to_string(image.pixels.size()) + " bytes");
  }
  if (probabilities.size() != kGridPatches || !all_proper(probabilities)) {
    return broken("probabilities must be " + std::to_string(kGridPatches) +
                  " finite values from 0 on; found " + std::to_string(probabilities.size()));
  }
  if (box.x0 < 0 || box.y0 < 0 || box.x1 > static_cast<int32_t>(image.width) ||
      box.y1 > static_cast<int32_t>(image.height)) {
    return broken("box must lie in the image");
  }
  return {};
}

Result<void> check(const Report& report) {
  WEFT_TRY(check_answer(report.image, report.probabilities, report.box));
  if (report.word_maps.size() != report.words.size() * kGridPatches ||
      !all_proper(report.word_maps)) {
    return broken("word_maps must be " + std::to_string(kGridPatches) +
                  " finite values from 0 on for each of " + std::to_string(report.words.size()) +
                  " words; found " + std::to_string(report.word_maps.size()));
  }
  return {};
}

void draw_caption(Canvas& canvas, const std::string& caption, const Layout& layout) {
  if (caption.empty()) return;
  canvas.fill({kMargin, layout.caption_y - 28.0f, layout.width, 1.0f}, 0.0f, kFrame);
  fitted_text(canvas, kMargin, layout.caption_y, caption, kNote, kDim, layout.width);
}

// One of the two: the answer over its heat map.
void draw_side(Canvas& canvas, const Comparison& comparison, const ComparedAnswer& answer,
               const Image& picture, Panel panel, float heading_y) {
  const float room = std::max(static_cast<float>(panel.size.width), kLeastPanelWidth);
  fitted_text(canvas, panel.x, heading_y, answer.title, kHeading, kBright, room);
  framed(canvas, panel.x, panel.y, picture);
  if (!answer.box.empty())
    draw_box(canvas, comparison.image, answer.box, highest(answer.probabilities), panel);
  panel.y += static_cast<float>(panel.size.height) + kRowGap;
  framed(canvas, panel.x, panel.y, heated(picture, answer.probabilities, 1.0f));
}

}  // namespace

Result<Image> render(const Report& report) {
  WEFT_TRY(check(report));
  const Layout layout = lay_out(report);
  Canvas canvas(static_cast<uint32_t>(std::ceil(layout.width + 2 * kMargin)),
                static_cast<uint32_t>(std::ceil(layout.height)), kBackground);
  fitted_text(canvas, kMargin, layout.title_y, "\"" + report.phrase + "\"", kTitle, kBright,
              layout.width);
  WEFT_ASSIGN(const Image picture, scaled(report.image, layout.panel));
  draw_panels(canvas, report, layout, picture);
  if (!report.words.empty()) {
    WEFT_ASSIGN(const Image small, scaled(report.image, layout.word));
    draw_words(canvas, report, layout, small);
  }
  draw_caption(canvas, report.caption, layout);
  return std::move(canvas).image();
}

Result<Image> render(const Comparison& comparison) {
  for (const ComparedAnswer* answer : {&comparison.before, &comparison.after})
    WEFT_TRY(check_answer(comparison.image, answer->probabilities, answer->box));
  Layout layout(comparison.image, kComparedSide);
  const float row = static_cast<float>(layout.panel.height) + kRowGap;
  layout.caption_y = layout.panel_y + 2 * row - kRowGap + 44.0f;
  layout.height = layout.caption_y + (comparison.caption.empty() ? -44.0f : 0.0f) + kMargin;
  Canvas canvas(static_cast<uint32_t>(std::ceil(layout.width + 2 * kMargin)),
                static_cast<uint32_t>(std::ceil(layout.height)), kBackground);
  fitted_text(canvas, kMargin, layout.title_y, "\"" + comparison.phrase + "\"", kTitle, kBright,
              layout.width);
  WEFT_ASSIGN(const Image picture, scaled(comparison.image, layout.panel));
  Panel panel{layout.panel_x(0), layout.panel_y, layout.panel};
  draw_side(canvas, comparison, comparison.before, picture, panel, layout.heading_y);
  panel.x = layout.panel_x(1);
  draw_side(canvas, comparison, comparison.after, picture, panel, layout.heading_y);
  panel.y += row;
  draw_scale(canvas, panel);
  draw_caption(canvas, comparison.caption, layout);
  return std::move(canvas).image();
}

}  // namespace weft::ground
