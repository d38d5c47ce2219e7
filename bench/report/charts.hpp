// The report's kinds of chart. Each is drawn 380 units wide, so that it fits a phone as it is.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "svg.hpp"

namespace weft::report {

constexpr double kChartWidth = 380;

// "A" for the first device, and so on; "27" after "Z".
std::string letter_of(std::size_t device);
// The class that gives a device its colour.
std::string colour_of(std::size_t device);

struct BarMark {
  int shape = 0;
  double value = 0;
  std::string tooltip;
};
struct Bar {
  std::size_t device = 0;
  std::optional<double> value;
  std::string label;    // at the right: the value, or why there is none
  std::string tooltip;  // what the pointer shows
  std::vector<BarMark> marks;
  std::string classes = {};  // in place of the device's colour and letter
};
struct BarGroup {
  std::string name;
  std::vector<Bar> bars;
};
// Bars from `baseline` where the values are of one magnitude; else stems with a dot on a
// logarithmic axis, where a bar's length would mean nothing.
struct BarChart {
  std::string title, note;
  std::vector<BarGroup> groups;
  Format format;                    // of the axis
  std::optional<double> reference;  // a line across, with 1 = the ceiling or the peer
  bool binary = false;              // bytes
  bool ratio = false;               // logarithmic about 1, bars to both sides
  std::string low_side, high_side;  // what the sides of a ratio mean
};
Html draw(const BarChart& chart);

struct RoofLine {
  std::size_t device = 0;
  double bytes_per_s = 0;
  std::string memory_label;
  std::vector<std::pair<double, std::string>> flats;  // FLOP/s and its label
};
struct RoofPoint {
  std::size_t device = 0;
  std::string number;    // of the case
  double intensity = 0;  // FLOP a byte
  double flops_per_s = 0;
  std::string tooltip;
};
struct RooflineChart {
  std::string title, note;
  std::vector<RoofLine> roofs;
  std::vector<RoofPoint> points;
};
Html draw(const RooflineChart& chart);

struct LineSeries {
  std::string label;     // at its end
  std::string exponent;  // raised after the label; may be empty
  int shape = 0;
  bool dashed = false;
  std::vector<std::pair<double, double>> points;  // above 0, x rising
  std::vector<std::string> tooltips;              // one a point
};
struct LineChart {
  std::string title, note;
  std::size_t device = 0;
  std::vector<LineSeries> series;
  double low = 0, high = 0;  // of y, the same for what is compared
  Format format;             // of y
  bool binary = false;       // y is bytes
};
Html draw(const LineChart& chart);

}  // namespace weft::report
