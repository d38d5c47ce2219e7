// Drawing: axes and an SVG that says what it shows. Colours and sizes stand in page.css.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "html.hpp"

namespace weft::report {

// A value's place on an axis.
struct Scale {
  double low = 0, high = 1;  // values
  double from = 0, to = 1;   // pixels
  bool log = false;          // needs values above 0
  bool binary = false;       // round numbers are powers of two, as for bytes
  double at(double value) const;
  double at_clamped(double value) const;
};

struct Tick {
  double value = 0;
  std::string label;
};
using Format = std::function<std::string(double)>;
// Round numbers between the ends: 1, 2 or 5 times a power of ten; on a logarithmic axis decades, or
// 1, 2, 5 where there are few; powers of two and their multiples for bytes. About `most` of them.
std::vector<Tick> ticks_of(const Scale& scale, const Format& format, int most);

// The shapes of peers and series, told apart without colour.
constexpr int kShapes = 6;

class Svg {
 public:
  // `title` and `description` are what a screen reader says.
  Svg(double width, double height, std::string_view title, std::string_view description);

  Svg& line(double x1, double y1, double x2, double y2, std::string_view classes);
  Svg& rect(double x, double y, double width, double height, std::string_view classes,
            std::string_view tooltip = "");
  Svg& text(double x, double y, std::string_view text, std::string_view classes,
            std::string_view tooltip = "");
  // Text that climbs by `degrees`.
  Svg& slanted(double x, double y, double degrees, std::string_view text, std::string_view classes);
  // "label exponent", the exponent raised.
  Svg& power(double x, double y, std::string_view label, std::string_view exponent,
             std::string_view classes);
  Svg& polyline(const std::vector<std::pair<double, double>>& points, std::string_view classes);
  Svg& shape(int shape, double x, double y, std::string_view classes, std::string_view tooltip);
  Svg& circle(double x, double y, double radius, std::string_view classes,
              std::string_view tooltip);
  Html finish() const;

 private:
  Svg& number(std::string_view name, double value);
  Svg& close(std::string_view tag, std::string_view classes, std::string_view tooltip);

  Html html_;
};

// A shape alone, for legends.
Html shape_icon(int shape);

}  // namespace weft::report
