#include "svg.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace weft::report {
namespace {

// Paths about the origin: bar, diamond, triangle, square, cross, hollow circle.
constexpr const char* kShapePaths[kShapes] = {"M0 -6V6",
                                              "M0 -5L4.5 0L0 5L-4.5 0Z",
                                              "M0 -4.5L4.5 3.5H-4.5Z",
                                              "M-3.5 -3.5H3.5V3.5H-3.5Z",
                                              "M-3.5 -3.5L3.5 3.5M-3.5 3.5L3.5 -3.5",
                                              "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1 -4 0Z"};

std::string coordinate(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", std::isfinite(value) ? value : 0.0);
  return text;
}

// 1, 2 or 5 times a power of ten, or a power of two, at least `step`.
double round_step(double step, bool binary) {
  if (binary) return std::exp2(std::ceil(std::log2(step)));
  const double decade = std::pow(10.0, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * decade >= step * 0.999) return factor * decade;
  }
  return 10 * decade;
}

// 10.0 ms as 10 ms: a tick is a round number.
std::string trimmed(const std::string& label) {
  const std::size_t point = label.find('.');
  if (point == std::string::npos) return label;
  const std::size_t end = std::min(label.find_first_not_of("0123456789", point + 1), label.size());
  std::size_t kept = end;
  while (kept > point + 1 && label[kept - 1] == '0') --kept;
  if (kept == point + 1) kept = point;
  return label.substr(0, kept) + label.substr(end);
}

std::vector<Tick> log_ticks(const Scale& scale, const Format& format, int most) {
  const double base = scale.binary ? 2 : 10;
  const int first = static_cast<int>(std::floor(std::log10(scale.low) / std::log10(base) + 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(scale.high) / std::log10(base) - 1e-9));
  const int every = std::max(1, (last - first + most) / most);
  std::vector<double> factors = {1};
  if (!scale.binary && (last - first) * 3 <= most + 2) factors = {1, 2, 5};
  std::vector<Tick> ticks;
  for (int power = first; power <= last; power += every) {
    for (const double factor : factors) {
      const double value = factor * std::pow(base, power);
      if (value < scale.low * 0.999 || value > scale.high * 1.001) continue;
      ticks.push_back({value, trimmed(format(value))});
    }
  }
  return ticks;
}

}  // namespace

double Scale::at(double value) const {
  const double share =
      log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  return from + share * (to - from);
}

double Scale::at_clamped(double value) const { return at(std::clamp(value, low, high)); }

std::vector<Tick> ticks_of(const Scale& scale, const Format& format, int most) {
  if (scale.log) return log_ticks(scale, format, most);
  const double step = round_step((scale.high - scale.low) / most, scale.binary);
  std::vector<Tick> ticks;
  for (double i = std::ceil(scale.low / step); i * step <= scale.high * 1.0001; ++i) {
    ticks.push_back({i * step, trimmed(format(i * step))});
  }
  return ticks;
}

Svg::Svg(double width, double height, std::string_view title, std::string_view description) {
  html_.raw("<svg role=\"img\" viewBox=\"0 0 ").raw(coordinate(width)).raw(" ");
  html_.raw(coordinate(height)).raw("\" xmlns=\"http://www.w3.org/2000/svg\" aria-label=\"");
  html_.text(title).text(". ").text(description).raw("\"><title>").text(title);
  html_.raw("</title><desc>").text(description).raw("</desc>\n");
}

Svg& Svg::number(std::string_view name, double value) {
  html_.raw(" ").raw(name).raw("=\"").raw(coordinate(value)).raw("\"");
  return *this;
}

Svg& Svg::close(std::string_view tag, std::string_view classes, std::string_view tooltip) {
  html_.raw(" class=\"").text(classes);
  if (tooltip.empty()) {
    html_.raw("\"/>\n");
  } else {
    html_.raw("\"><title>").text(tooltip).raw("</title></").raw(tag).raw(">\n");
  }
  return *this;
}

Svg& Svg::line(double x1, double y1, double x2, double y2, std::string_view classes) {
  html_.raw("<line");
  return number("x1", x1).number("y1", y1).number("x2", x2).number("y2", y2).close("line", classes,
                                                                                   "");
}

Svg& Svg::rect(double x, double y, double width, double height, std::string_view classes,
               std::string_view tooltip) {
  html_.raw("<rect");
  return number("x", x)
      .number("y", y)
      .number("width", std::max(width, 0.0))
      .number("height", height)
      .close("rect", classes, tooltip);
}

Svg& Svg::text(double x, double y, std::string_view text, std::string_view classes,
               std::string_view tooltip) {
  html_.raw("<text");
  number("x", x).number("y", y);
  html_.raw(" class=\"").text(classes).raw("\">").text(text);
  if (!tooltip.empty()) html_.raw("<title>").text(tooltip).raw("</title>");
  html_.raw("</text>\n");
  return *this;
}

Svg& Svg::slanted(double x, double y, double degrees, std::string_view text,
                  std::string_view classes) {
  html_.raw("<text transform=\"translate(").raw(coordinate(x)).raw(" ").raw(coordinate(y));
  html_.raw(") rotate(").raw(coordinate(-degrees)).raw(")\" class=\"").text(classes);
  html_.raw("\">").text(text).raw("</text>\n");
  return *this;
}

Svg& Svg::power(double x, double y, std::string_view label, std::string_view exponent,
                std::string_view classes) {
  html_.raw("<text");
  number("x", x).number("y", y);
  html_.raw(" class=\"").text(classes).raw("\">").text(label).raw("<tspan class=\"up\" dy=\"-4\">");
  html_.text(exponent).raw("</tspan></text>\n");
  return *this;
}

Svg& Svg::polyline(const std::vector<std::pair<double, double>>& points, std::string_view classes) {
  html_.raw("<polyline points=\"");
  for (const auto& [x, y] : points) {
    html_.raw(coordinate(x)).raw(",").raw(coordinate(y)).raw(" ");
  }
  html_.raw("\"");
  return close("polyline", classes, "");
}

Svg& Svg::shape(int shape, double x, double y, std::string_view classes, std::string_view tooltip) {
  html_.raw("<path transform=\"translate(").raw(coordinate(x)).raw(" ").raw(coordinate(y));
  html_.raw(")\" d=\"").raw(kShapePaths[shape % kShapes]).raw("\"");
  return close("path", classes, tooltip);
}

Svg& Svg::circle(double x, double y, double radius, std::string_view classes,
                 std::string_view tooltip) {
  html_.raw("<circle");
  return number("cx", x).number("cy", y).number("r", radius).close("circle", classes, tooltip);
}

Html Svg::finish() const { return Html(html_).raw("</svg>\n"); }

Html shape_icon(int shape) {
  return Html()
      .raw(
          "<svg class=\"icon\" viewBox=\"-7 -7 14 14\" aria-hidden=\"true\"><path class=\"peer\" "
          "d=\"")
      .raw(kShapePaths[shape % kShapes])
      .raw("\"/></svg>");
}

}  // namespace weft::report
