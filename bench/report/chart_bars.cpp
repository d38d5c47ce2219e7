#include <algorithm>
#include <cmath>

#include "charts.hpp"

namespace weft::report {
namespace {

constexpr double kLeft = 18;
constexpr double kRight = kChartWidth - 84;
constexpr double kNameHeight = 17;
constexpr double kBarStep = 15;
constexpr double kGroupGap = 7;
constexpr double kAxisHeight = 18;
// From here on the shortest bars would be too short to see.
constexpr double kLogFrom = 40;
constexpr std::size_t kLongestName = 54;

struct Range {
  double low = 0, high = 0;
  bool empty() const { return high == 0; }
  void include(double value) {
    low = empty() ? value : std::min(low, value);
    high = std::max(high, value);
  }
};

Range range_of(const BarChart& chart) {
  Range range;
  for (const BarGroup& group : chart.groups) {
    for (const Bar& bar : group.bars) {
      if (bar.value) range.include(*bar.value);
      for (const BarMark& mark : bar.marks) range.include(mark.value);
    }
  }
  return range;
}

Scale scale_of(const BarChart& chart, Range range) {
  Scale scale{.low = 0, .high = 1, .from = kLeft, .to = kRight, .binary = chart.binary};
  if (range.empty()) return scale;
  if (chart.ratio) {
    const double widest = std::max({range.high, 1 / range.low, 1.1}) * 1.05;
    return {.low = 1 / widest, .high = widest, .from = kLeft, .to = kRight, .log = true};
  }
  if (chart.reference) range.include(*chart.reference);
  if (range.low > 0 && range.high / range.low > kLogFrom) {
    scale.log = true;
    scale.low = std::pow(10.0, std::floor(std::log10(range.low * 0.9)));
    scale.high = range.high * 1.1;
  } else {
    scale.high = range.high * 1.04;
  }
  return scale;
}

double height_of(const BarChart& chart) {
  double height = kAxisHeight;
  for (const BarGroup& group : chart.groups) {
    height += kNameHeight + kBarStep * static_cast<double>(group.bars.size()) + kGroupGap;
  }
  return height;
}

std::string shortened(const std::string& name) {
  if (name.size() <= kLongestName) return name;
  std::size_t end = kLongestName - 1;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return name.substr(0, end) + "…";
}

void draw_axis(Svg& svg, const BarChart& chart, const Scale& scale, double height) {
  const double bottom = height - kAxisHeight;
  for (const Tick& tick : ticks_of(scale, chart.format, chart.ratio ? 5 : 4)) {
    const double x = scale.at(tick.value);
    svg.line(x, 2, x, bottom, "grid");
    svg.text(x, height - 5, tick.label, "tick m");
  }
  if (chart.reference) {
    const double x = scale.at(*chart.reference);
    svg.line(x, 2, x, bottom, "reference");
  }
}

void draw_bar(Svg& svg, const BarChart& chart, const Scale& scale, const Bar& bar, double y) {
  const std::string colour = bar.classes.empty() ? colour_of(bar.device) : bar.classes;
  const double middle = y + kBarStep / 2;
  if (bar.classes.empty()) svg.text(kLeft - 5, middle + 3.5, letter_of(bar.device), "letter e");
  if (bar.value) {
    const double base = chart.ratio ? scale.at(1) : kLeft;
    const double x = scale.at_clamped(*bar.value);
    const double left = std::min(base, x);
    if (scale.log && !chart.ratio) {
      svg.rect(left, middle - 1.5, std::abs(x - base), 3, "bar thin " + colour, bar.tooltip);
      svg.circle(x, middle, 5, "bar " + colour, bar.tooltip);
    } else {
      svg.rect(left, y + 2, std::max(std::abs(x - base), 1.5), kBarStep - 4, "bar " + colour,
               bar.tooltip);
    }
  }
  for (const BarMark& mark : bar.marks) {
    svg.shape(mark.shape, scale.at_clamped(mark.value), middle, "peer", mark.tooltip);
  }
  svg.text(kRight + 8, middle + 3.5, bar.label, bar.value ? "value" : "value quiet", bar.tooltip);
}

}  // namespace

std::string letter_of(std::size_t device) {
  return device < 26 ? std::string(1, static_cast<char>('A' + device)) : std::to_string(device + 1);
}

std::string colour_of(std::size_t device) { return "d" + std::to_string(device % 8); }

Html draw(const BarChart& chart) {
  const double height = height_of(chart);
  const Scale scale = scale_of(chart, range_of(chart));
  Svg svg(kChartWidth, height, chart.title, chart.note + (scale.log ? "; logarithmic scale" : ""));
  draw_axis(svg, chart, scale, height);
  double y = 0;
  for (const BarGroup& group : chart.groups) {
    svg.text(0, y + 12, shortened(group.name), "name", group.name);
    y += kNameHeight;
    for (const Bar& bar : group.bars) {
      draw_bar(svg, chart, scale, bar, y);
      y += kBarStep;
    }
    y += kGroupGap;
  }
  Html html;
  html.raw("<figure class=\"chart\"><figcaption><b>").text(chart.title).raw("</b> ");
  html.text(chart.note).text(scale.log && !chart.ratio ? ", log scale" : "");
  html.raw("</figcaption>").add(svg.finish());
  if (chart.ratio) {
    html.raw("<p class=\"sides\"><span>← ").text(chart.low_side).raw("</span><span>");
    html.text(chart.high_side).raw(" →</span></p>");
  }
  return html.raw("</figure>\n");
}

}  // namespace weft::report
