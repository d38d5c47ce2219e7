#include <algorithm>
#include <cmath>

#include "charts.hpp"

namespace weft::report {
namespace {

constexpr double kHeight = 220;
constexpr double kLeft = 52;
constexpr double kRight = kChartWidth - 118;
constexpr double kTop = 8;
constexpr double kBottom = kHeight - 22;
constexpr double kLabelStep = 13;

// 4096 as 4k where that is exact.
std::string show_length(double value) {
  if (value >= 1024 && std::fmod(value, 1024) == 0) return show_plain(value / 1024) + "k";
  return show_plain(value);
}

std::vector<double> values_of_x(const LineChart& chart) {
  std::vector<double> all;
  for (const LineSeries& series : chart.series) {
    for (const auto& [x, y] : series.points) all.push_back(x);
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

void draw_axes(Svg& svg, const LineChart& chart, const Scale& x, const Scale& y) {
  double last = -100;
  for (const double value : values_of_x(chart)) {
    const double at = x.at(value);
    if (at - last < 30) continue;
    last = at;
    svg.line(at, kTop, at, kBottom, "grid").text(at, kBottom + 14, show_length(value), "tick m");
  }
  for (const Tick& tick : ticks_of(y, chart.format, 5)) {
    const double at = y.at(tick.value);
    svg.line(kLeft, at, kRight, at, "grid").text(kLeft - 5, at + 3.5, tick.label, "tick e");
  }
}

void draw_series(Svg& svg, const LineSeries& series, const Scale& x, const Scale& y,
                 const std::string& colour) {
  std::vector<std::pair<double, double>> places;
  for (const auto& [px, py] : series.points) places.emplace_back(x.at(px), y.at(py));
  svg.polyline(places, std::string("line ") + (series.dashed ? "dashed " : "") + colour);
  for (std::size_t i = 0; i < places.size(); ++i) {
    svg.shape(series.shape, places[i].first, places[i].second,
              std::string("marker ") + (series.dashed ? "hollow " : "") + colour,
              series.tooltips[i]);
  }
}

// Labels at the ends of their lines, moved apart where they would touch.
void draw_labels(Svg& svg, const LineChart& chart, const Scale& y, const std::string& colour) {
  struct Label {
    double y;
    const LineSeries* series;
  };
  std::vector<Label> labels;
  for (const LineSeries& series : chart.series) {
    labels.push_back({y.at(series.points.back().second) + 3.5, &series});
  }
  std::ranges::stable_sort(labels, {}, &Label::y);
  double last = -100;
  for (Label& label : labels) last = label.y = std::max(label.y, last + kLabelStep);
  double next = kBottom + 4 + kLabelStep;
  for (auto label = labels.rbegin(); label != labels.rend(); ++label) {
    next = label->y = std::min(label->y, next - kLabelStep);
  }
  for (const Label& label : labels) {
    svg.shape(label.series->shape, kRight + 10, label.y - 3.5,
              std::string("marker ") + (label.series->dashed ? "hollow " : "") + colour, "");
    svg.power(kRight + 18, label.y, label.series->label, label.series->exponent, "value");
  }
}

}  // namespace

Html draw(const LineChart& chart) {
  const std::vector<double> xs = values_of_x(chart);
  const double widest = xs.back() > xs.front() ? 1.04 : 2;
  const Scale x{xs.front() / widest, xs.back() * widest, kLeft, kRight, true};
  const Scale y{chart.low / 1.3, chart.high * 1.3, kBottom, kTop, true, chart.binary};
  Svg svg(kChartWidth, kHeight, chart.title, chart.note);
  draw_axes(svg, chart, x, y);
  for (const LineSeries& series : chart.series) {
    draw_series(svg, series, x, y, colour_of(chart.device));
  }
  draw_labels(svg, chart, y, colour_of(chart.device));
  Html html;
  html.raw("<figure class=\"chart\"><figcaption><b>").text(chart.title).raw("</b> ");
  return html.text(chart.note).raw("</figcaption>").add(svg.finish()).raw("</figure>\n");
}

}  // namespace weft::report
