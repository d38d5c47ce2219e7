// How time and memory grow with one length: self and cross, fused and materialised in one plot.
#include <algorithm>
#include <array>

#include "charts.hpp"
#include "page.hpp"
#include "statistics.hpp"

namespace weft::report {
namespace {

constexpr std::array kAxes = {"q_len", "kv_len", "heads"};

// What is plotted against the length.
struct Quantity {
  const char* name;
  std::optional<double> Point::*of;
  std::string (*show)(double);
  bool binary;
};
constexpr std::array kQuantities = {
    Quantity{"time", &Point::median_ns, show_time, false},
    Quantity{"device memory", &Point::device_bytes, show_bytes, true}};

std::vector<Sample> samples_of(const Series& series, const Quantity& quantity) {
  std::vector<Sample> samples;
  for (const Point& point : series.points) {
    const auto& value = point.*quantity.of;
    if (value && *value > 0) samples.push_back({point.x, *value});
  }
  return samples;
}

std::string show_exponent(const std::optional<PowerFit>& fit) {
  if (!fit) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", fit->exponent);
  return text;
}

LineSeries line_of(const Series& series, const Quantity& quantity) {
  const std::vector<Sample> samples = samples_of(series, quantity);
  LineSeries line;
  line.dashed = series.series == "materialised";
  line.shape = series.profile == "self" ? 3 : 1;
  line.exponent = show_exponent(fit_power(samples));
  line.label =
      series.profile + " " + (line.dashed ? "mat." : "fused") + (line.exponent.empty() ? "" : " n");
  for (const Sample& sample : samples) {
    line.points.emplace_back(sample.x, sample.y);
    line.tooltips.push_back(series.profile + ", " + series.series + ", " + series.axis + " " +
                            show_plain(sample.x) + ": " + quantity.show(sample.y));
  }
  return line;
}

// One device's plot, or nothing.
std::optional<LineChart> chart_of(const Report& report, std::size_t device, const char* axis,
                                  const Quantity& quantity) {
  LineChart chart{.title = letter_of(device) + ": " + quantity.name + " against " + axis,
                  .note = label_of(report, device),
                  .device = device,
                  .format = quantity.show,
                  .binary = quantity.binary};
  for (const Series& series : report.devices[device].scaling) {
    if (series.axis != axis || samples_of(series, quantity).empty()) continue;
    chart.series.push_back(line_of(series, quantity));
  }
  return chart.series.empty() ? std::nullopt : std::optional(std::move(chart));
}

// The same y for all devices, so that their plots compare.
void share_range(std::vector<LineChart>& charts) {
  double low = 1e300, high = 0;
  for (const LineChart& chart : charts) {
    for (const LineSeries& series : chart.series) {
      for (const auto& [x, y] : series.points) {
        low = std::min(low, y);
        high = std::max(high, y);
      }
    }
  }
  for (LineChart& chart : charts) {
    chart.low = low;
    chart.high = high;
  }
}

Html charts_of(const Report& report, const char* axis) {
  Html html;
  for (const Quantity& quantity : kQuantities) {
    std::vector<LineChart> charts;
    for (std::size_t i = 0; i < report.devices.size(); ++i) {
      if (auto chart = chart_of(report, i, axis, quantity)) charts.push_back(std::move(*chart));
    }
    share_range(charts);
    for (const LineChart& chart : charts) html.add(draw(chart));
  }
  return html;
}

// How many times the fused value the materialised one is, at the largest length both have.
std::optional<Sample> times_fused(const Measurement& device, const Series& materialised,
                                  const Quantity& quantity) {
  const auto fused = std::ranges::find_if(device.scaling, [&](const Series& other) {
    return other.series == "fused" && other.axis == materialised.axis &&
           other.profile == materialised.profile;
  });
  if (materialised.series == "fused" || fused == device.scaling.end()) return std::nullopt;
  const std::vector<Sample> ours = samples_of(*fused, quantity);
  std::vector<Sample> theirs = samples_of(materialised, quantity);
  while (!theirs.empty()) {
    const auto same = std::ranges::find(ours, theirs.back().x, &Sample::x);
    if (same != ours.end()) return Sample{same->x, theirs.back().y / same->y};
    theirs.pop_back();
  }
  return std::nullopt;
}

void fit_cells(Table& table, const Measurement& device, const Series& series,
               const Quantity& quantity) {
  const auto fit = fit_power(samples_of(series, quantity));
  table.cell(fit ? std::optional(fit->exponent) : std::nullopt, show_exponent(fit));
  table.cell(fit ? std::optional(fit->r_squared) : std::nullopt,
             fit ? significant(fit->r_squared) : "");
  const auto times = times_fused(device, series, quantity);
  table.cell(times ? std::optional(times->y) : std::nullopt,
             times ? show_times(times->y) + " at " + show_plain(times->x) : "");
}

Html origin_notes(const Report& report) {
  Html html;
  for (std::size_t i = 0; i < report.devices.size(); ++i) {
    std::vector<Dated> curves;
    for (const Series& one : report.devices[i].scaling) {
      curves.push_back({one.axis + " " + one.profile + " " + one.series, &one.origin});
    }
    html.add(origin_note(report, i, "curves", curves));
  }
  return html;
}

Html table_of(const Report& report) {
  Table table("Fitted exponents");
  table.column("on", false, "device").column("against", false).column("profile", false);
  table.column("series", false);
  for (const char* name : {"time", "memory"}) {
    table.column(std::string(name) + " exponent", true).column("r²", true);
    table.column(std::string(name) + " over fused", true, "at the largest length both have");
  }
  for (std::size_t i = 0; i < report.devices.size(); ++i) {
    for (const Series& series : report.devices[i].scaling) {
      table.row().cell(chip(i), letter_of(i)).cell(series.axis);
      table.cell(series.profile).cell(series.series);
      for (const Quantity& quantity : kQuantities) {
        fit_cells(table, report.devices[i], series, quantity);
      }
    }
  }
  return table.finish();
}

}  // namespace

Html scaling_section(const Report& report) {
  Html charts;
  for (const char* axis : kAxes) {
    const Html row = charts_of(report, axis);
    if (row.empty()) continue;
    charts.raw("<h3>Against ").text(axis).raw("</h3><div class=\"charts\">").add(row);
    charts.raw("</div>");
  }
  if (charts.empty()) return charts;
  Html html;
  html.raw(
      "<section id=\"scaling\"><h2>Scaling</h2><p class=\"quiet\">Both axes are logarithmic: a "
      "straight line is a power of the length n, whose exponent stands at its end (least squares "
      "over the upper half of the lengths, at least three). Self-attention takes its keys and "
      "values from the queries, so both lengths grow; materialised stores every score.</p>");
  return html.add(origin_notes(report)).add(charts).add(table_of(report)).raw("</section>\n");
}

}  // namespace weft::report
