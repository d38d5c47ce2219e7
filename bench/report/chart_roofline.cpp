#include <algorithm>
#include <cmath>

#include "charts.hpp"

namespace weft::report {
namespace {

constexpr double kHeight = 290;
constexpr double kLeft = 44;
constexpr double kRight = kChartWidth - 8;
constexpr double kTop = 14;
constexpr double kBottom = kHeight - 34;
constexpr double kLabelStep = 11;

struct Axes {
  Scale x, y;
};

Axes axes_of(const RooflineChart& chart) {
  double left = 1e300, right = 0, low = 1e300, high = 0;
  for (const RoofPoint& point : chart.points) {
    left = std::min(left, point.intensity);
    right = std::max(right, point.intensity);
    low = std::min(low, point.flops_per_s);
    high = std::max(high, point.flops_per_s);
  }
  for (const RoofLine& roof : chart.roofs) {
    for (const auto& [flops, label] : roof.flats) {
      high = std::max(high, flops);
      right = std::max(right, flops / roof.bytes_per_s * 2);
      left = std::min(left, flops / roof.bytes_per_s / 4);
    }
  }
  return {{.low = left / 2, .high = right * 2, .from = kLeft, .to = kRight, .log = true},
          {.low = low / 3, .high = high * 2, .from = kBottom, .to = kTop, .log = true}};
}

void draw_axes(Svg& svg, const Axes& axes) {
  const auto plain = [](double value) { return significant(value, 1); };
  for (const Tick& tick : ticks_of(axes.x, plain, 8)) {
    const double x = axes.x.at(tick.value);
    svg.line(x, kTop, x, kBottom, "grid").text(x, kBottom + 13, tick.label, "tick m");
  }
  const auto rate = [](double value) { return show_rate(value, ""); };
  for (const Tick& tick : ticks_of(axes.y, rate, 6)) {
    const double y = axes.y.at(tick.value);
    svg.line(kLeft, y, kRight, y, "grid").text(kLeft - 5, y + 3.5, tick.label, "tick e");
  }
  svg.text(kRight, kHeight - 6, "FLOP a byte →", "tick e");
  svg.text(0, 9, "FLOP/s", "tick");
}

// The slope of memory up to the highest flat, labelled along its side.
void draw_slope(Svg& svg, const Axes& axes, const RoofLine& roof) {
  double highest = 0;
  for (const auto& [flops, label] : roof.flats) highest = std::max(highest, flops);
  const double first = std::max(axes.x.low, axes.y.low / roof.bytes_per_s);
  const double last = highest / roof.bytes_per_s;
  const double x1 = axes.x.at(first), y1 = axes.y.at(first * roof.bytes_per_s);
  const double x2 = axes.x.at(last), y2 = axes.y.at(highest);
  svg.line(x1, y1, x2, y2, "roof " + colour_of(roof.device));
  const double angle = std::atan2(y1 - y2, x2 - x1);
  svg.slanted(x1 + 6 * std::cos(angle) - 4 * std::sin(angle),
              y1 - 6 * std::sin(angle) - 4 * std::cos(angle), angle * 180 / 3.14159265,
              letter_of(roof.device) + " " + roof.memory_label, "rooflabel");
}

void draw_flats(Svg& svg, const Axes& axes, const RooflineChart& chart) {
  struct Label {
    double y;
    std::string text;
  };
  std::vector<Label> labels;
  for (const RoofLine& roof : chart.roofs) {
    for (const auto& [flops, label] : roof.flats) {
      const double y = axes.y.at(flops);
      svg.line(axes.x.at(flops / roof.bytes_per_s), y, kRight, y, "roof " + colour_of(roof.device));
      labels.push_back({y - 4.5, letter_of(roof.device) + " " + label});
    }
  }
  // From the highest down, none over another.
  std::ranges::sort(labels, {}, &Label::y);
  double last = -kLabelStep;
  for (Label& label : labels) {
    last = std::max(label.y, last + kLabelStep);
    svg.text(kRight, last, label.text, "rooflabel e");
  }
}

}  // namespace

Html draw(const RooflineChart& chart) {
  const Axes axes = axes_of(chart);
  Svg svg(kChartWidth, kHeight, chart.title, chart.note);
  draw_axes(svg, axes);
  for (const RoofLine& roof : chart.roofs) draw_slope(svg, axes, roof);
  draw_flats(svg, axes, chart);
  for (const RoofPoint& point : chart.points) {
    const double x = axes.x.at(point.intensity);
    const double y = axes.y.at(point.flops_per_s);
    svg.circle(x, y, 7, "dot " + colour_of(point.device), point.tooltip);
    svg.text(x, y + 3.2, point.number, "dotnumber m", point.tooltip);
  }
  Html html;
  html.raw("<figure class=\"chart\"><figcaption><b>").text(chart.title).raw("</b> ");
  return html.text(chart.note).raw("</figcaption>").add(svg.finish()).raw("</figure>\n");
}

}  // namespace weft::report
