// A section for each suite: charts side by side, then the table.
#include <algorithm>
#include <set>

#include "charts.hpp"
#include "measures.hpp"
#include "page.hpp"

namespace weft::report {
namespace {

struct Suite {
  const Report& report;
  std::string name;
  std::vector<std::string> lines;
  std::vector<std::string> others;  // whoever has times beside Weft's

  const Case* find(std::size_t device, const std::string& line) const {
    return find_case(report.devices[device], name, line);
  }
  bool has_first_calls() const {
    return std::ranges::any_of(report.devices, [&](const Measurement& device) {
      return std::ranges::any_of(device.cases, [&](const Case& one) {
        return one.suite == name && first_call(one).has_value();
      });
    });
  }
  std::string numbered(std::size_t line) const {
    return std::to_string(line + 1) + "  " + lines[line];
  }
};

int shape_of(const Suite& suite, const std::string& who) {
  return static_cast<int>(std::ranges::find(suite.others, who) - suite.others.begin()) % kShapes;
}

// Why a case has no number, in a word.
std::string absence(const Case* one) {
  if (one == nullptr) return "not run";
  if (!one->error.empty()) return "error";
  return one->refused.empty() ? "–" : "refused";
}

std::string absence_in_full(const Case* one) {
  if (one == nullptr) return "not in this file";
  return one->error.empty() ? one->refused : one->error;
}

// One chart of the suite: a group a line, a bar a device. `bar_of` fills what it knows.
template <class Fill>
void add_groups(const Suite& suite, BarChart& chart, Fill fill) {
  for (std::size_t line = 0; line < suite.lines.size(); ++line) {
    BarGroup group{suite.numbered(line), {}};
    for (std::size_t i = 0; i < suite.report.devices.size(); ++i) {
      const Case* one = suite.find(i, suite.lines[line]);
      Bar bar{i, std::nullopt, absence(one), absence_in_full(one), {}};
      if (one != nullptr) fill(suite.report.devices[i], *one, bar);
      group.bars.push_back(std::move(bar));
    }
    chart.groups.push_back(std::move(group));
  }
}

bool has_bars(const BarChart& chart) {
  return std::ranges::any_of(chart.groups, [](const BarGroup& group) {
    return std::ranges::any_of(group.bars, [](const Bar& bar) { return bar.value.has_value(); });
  });
}

Html draw_if_any(const BarChart& chart) { return has_bars(chart) ? draw(chart) : Html(); }

Html time_chart(const Suite& suite) {
  BarChart chart{
      .title = "Time", .note = "submit to done, median; shorter is better", .format = show_time};
  add_groups(suite, chart, [&](const Measurement& device, const Case& one, Bar& bar) {
    if (const Run* run = waited(one, kWeft)) {
      bar.value = run->median_ns;
      bar.label = show_time(run->median_ns);
      bar.tooltip = one.line + " on " + device.name + ": " + bar.label + " (" + run->kernel +
                    ", clock " + run->clock + ")";
    }
    for (const std::string& who : suite.others) {
      const Run* run = waited(one, who);
      if (run == nullptr) continue;
      bar.marks.push_back({shape_of(suite, who), run->median_ns,
                           who + ": " + show_time(run->median_ns) + " (clock " + run->clock +
                               (run->detail.empty() ? "" : ", " + run->detail) + ")"});
    }
  });
  return draw_if_any(chart);
}

Html share_chart(const Suite& suite) {
  BarChart chart{.title = "Share of the ceiling",
                 .note = "longer is better",
                 .format = show_percent,
                 .reference = 1};
  add_groups(suite, chart, [&](const Measurement& device, const Case& one, Bar& bar) {
    const auto share = share_of(device, one);
    if (!share) return;
    bar.value = share->value;
    bar.label = show_percent(share->value);
    bar.tooltip = one.line + " on " + device.name + ": " + bar.label + " of " +
                  (share->memory_bound ? "memory" : "arithmetic");
  });
  return draw_if_any(chart);
}

// Arithmetic, or bytes where memory bounds most of the suite.
Html throughput_chart(const Suite& suite) {
  int bytes = 0, flops = 0;
  for (const Measurement& device : suite.report.devices) {
    for (const Case& one : device.cases) {
      if (one.suite != suite.name) continue;
      const auto share = share_of(device, one);
      if (share) ++(share->memory_bound ? bytes : flops);
    }
  }
  const bool by_bytes = bytes > flops;
  const std::string unit = by_bytes ? "B/s" : "FLOP/s";
  BarChart chart{.title = "Throughput",
                 .note = unit + "; longer is better",
                 .format = [](double value) { return show_rate(value, ""); }};
  add_groups(suite, chart, [&](const Measurement& device, const Case& one, Bar& bar) {
    bar.value = by_bytes ? bytes_per_s(one) : flops_per_s(one);
    if (!bar.value) return;
    bar.label = show_rate(*bar.value, unit);
    bar.tooltip = one.line + " on " + device.name + ": " + bar.label;
  });
  return draw_if_any(chart);
}

Html memory_chart(const Suite& suite) {
  BarChart chart{.title = "Memory beside inputs and outputs",
                 .note = "shorter is better",
                 .format = show_bytes,
                 .binary = true};
  bool any = false;
  add_groups(suite, chart, [&](const Measurement& device, const Case& one, Bar& bar) {
    if (!one.transient_bytes) return;
    any = any || *one.transient_bytes > 0;
    bar.label = show_bytes(*one.transient_bytes);
    bar.tooltip = one.line + " on " + device.name + ": " + bar.label;
    if (*one.transient_bytes > 0) bar.value = one.transient_bytes;
  });
  return any ? draw(chart) : Html();
}

RoofLine roof_line(const Suite& suite, std::size_t index) {
  const Measurement& device = suite.report.devices[index];
  RoofLine line{.device = index};
  std::set<std::string> seen;
  for (const std::string& name : suite.lines) {
    if (suite.find(index, name) == nullptr) continue;
    const Roof roof = roof_of(device, element_of(name));
    if (roof.memory == nullptr || roof.arithmetic == nullptr) continue;
    line.bytes_per_s = roof.memory->value;
    line.memory_label = roof.memory->id + " " + show_rate(roof.memory->value, "B/s");
    if (!seen.insert(roof.arithmetic->id).second) continue;
    line.flats.emplace_back(roof.arithmetic->value,
                            roof.arithmetic->id + " " + show_rate(roof.arithmetic->value, ""));
  }
  return line;
}

Html roofline_chart(const Suite& suite) {
  RooflineChart chart{
      .title = "Roofline",
      .note = "each dot a case, by its number; the lines are what the device allows"};
  for (std::size_t i = 0; i < suite.report.devices.size(); ++i) {
    RoofLine roof = roof_line(suite, i);
    if (roof.flats.empty()) continue;
    chart.roofs.push_back(std::move(roof));
    for (std::size_t line = 0; line < suite.lines.size(); ++line) {
      const Case* one = suite.find(i, suite.lines[line]);
      const auto flops = one == nullptr ? std::nullopt : flops_per_s(*one);
      if (!flops || one->bytes <= 0) continue;
      chart.points.push_back({i, std::to_string(line + 1), one->flops / one->bytes, *flops,
                              one->line + " on " + suite.report.devices[i].name + ": " +
                                  show_rate(*flops, "FLOP/s") + " at " +
                                  significant(one->flops / one->bytes) + " FLOP a byte"});
    }
  }
  return chart.points.empty() ? Html() : draw(chart);
}

std::optional<double> median_of(const Run* run) {
  return run == nullptr ? std::nullopt : std::optional(run->median_ns);
}

void time_cell(Table& table, const Run* run) {
  table.cell(median_of(run), run == nullptr ? "" : show_time(run->median_ns));
}

void first_cells(Table& table, const Case& one) {
  const auto first = first_call(one);
  table.cell(first ? std::optional(first->ns) : std::nullopt, first ? show_time(first->ns) : "");
  table.cell(first ? std::optional(first->compiling_ns) : std::nullopt,
             first ? show_time(first->compiling_ns) : "");
}

void rate_cell(Table& table, std::optional<double> value, const char* unit) {
  table.cell(value, value ? show_rate(*value, unit) : "");
}

void add_row(Table& table, const Suite& suite, std::size_t line, std::size_t index,
             const Case& one) {
  const Run* run = waited(one, kWeft);
  table.row().cell(Html()
                       .raw("<span class=\"quiet\">")
                       .text(std::to_string(line + 1))
                       .raw(" </span><code>")
                       .text(one.line)
                       .raw("</code>"),
                   one.line);
  table.cell(chip(index), letter_of(index));
  if (!one.error.empty() || !one.refused.empty()) {
    table.cell(Html()
                   .raw("<span class=\"badge\">")
                   .text(absence(&one))
                   .raw("</span> ")
                   .text(absence_in_full(&one)),
               absence(&one));
  } else {
    table.cell(Html().raw("<code>").text(run == nullptr ? "–" : run->kernel).raw("</code>"),
               run == nullptr ? "" : run->kernel);
  }
  for (const char* clock : {"wall", "device", "host_record", "host_replay"}) {
    time_cell(table, run_of(one, kWeft, clock));
  }
  if (suite.has_first_calls()) first_cells(table, one);
  rate_cell(table, flops_per_s(one), "FLOP/s");
  rate_cell(table, bytes_per_s(one), "B/s");
  const auto share = share_of(suite.report.devices[index], one);
  table.cell(share ? std::optional(share->value) : std::nullopt,
             share ? show_percent(share->value) : "");
  table.cell(share ? (share->memory_bound ? "memory" : "arithmetic") : "–");
  for (const std::string& who : suite.others) {
    const auto times = times_as_fast(one, who);
    const bool behind = times && *times < 1 && is_peer(who);
    table.cell(times, times ? show_times(*times) : "", behind ? "behind" : "");
  }
  table.cell(one.transient_bytes, one.transient_bytes ? show_bytes(*one.transient_bytes) : "");
}

Html table_of(const Suite& suite) {
  Table table("Every case of " + suite.name);
  table.column("case", false).column("on", false, "device").column("kernel row", false);
  table.column("time", true, "submit to done, median").column("device", true, "the device's clock");
  table.column("record", true, "host time to record").column("replay", true, "host time to replay");
  if (suite.has_first_calls()) {
    table.column("first call", true, "recorded, compiled and run, on a new device without caches");
    table.column("compiling", true, "the first call less what a later one takes");
  }
  table.column("arithmetic", true).column("memory", true);
  table.column("share", true, "of the ceiling").column("bound by", false);
  for (const std::string& who : suite.others) {
    table.column("× " + who, true,
                 is_peer(who) ? "how many times as fast as this peer Weft is"
                              : "the time of Weft's attention alone over that of the case");
  }
  table.column("transient", true, "device memory beside inputs and outputs");
  for (std::size_t line = 0; line < suite.lines.size(); ++line) {
    for (std::size_t i = 0; i < suite.report.devices.size(); ++i) {
      if (const Case* one = suite.find(i, suite.lines[line])) add_row(table, suite, line, i, *one);
    }
  }
  return table.finish();
}

void add_operations(Table& table, std::size_t index, const Case& one) {
  const auto begin_row = [&](const std::string& name, const std::string& kernel) -> Table& {
    table.row().cell(Html().raw("<code>").text(one.line).raw("</code>"), one.line);
    table.cell(chip(index), letter_of(index)).cell(name);
    return table.cell(Html().raw("<code>").text(kernel).raw("</code>"), kernel);
  };
  for (const Operation& operation : one.operations)
    begin_row(operation.name, operation.kernel)
        .cell(operation.ns, show_time(operation.ns))
        .cell(operation.share, show_percent(operation.share));
  const double gap = one.gap_share.value_or(0);
  begin_row("between them", "–").cell(std::nullopt, "").cell(gap, show_percent(gap));
}

// Of cases of several operations: blocks, and rows that split.
Html operations_table(const Suite& suite) {
  Table table("Where the time of " + suite.name + " goes");
  table.column("case", false).column("on", false, "device").column("operation", false);
  table.column("kernel row", false).column("time", true, "the device's clock");
  table.column("share", true, "of the time from the first operation's begin to the last one's end");
  bool any = false;
  for (const std::string& line : suite.lines)
    for (std::size_t i = 0; i < suite.report.devices.size(); ++i) {
      const Case* one = suite.find(i, line);
      if (one == nullptr || one->operations.size() < 2) continue;
      add_operations(table, i, *one);
      any = true;
    }
  return any ? table.finish() : Html();
}

Html origin_notes(const Suite& suite) {
  Html html;
  for (std::size_t i = 0; i < suite.report.devices.size(); ++i) {
    std::vector<Dated> cases;
    for (std::size_t line = 0; line < suite.lines.size(); ++line) {
      const Case* one = suite.find(i, suite.lines[line]);
      if (one != nullptr) cases.push_back({std::to_string(line + 1), &one->origin});
    }
    html.add(origin_note(suite.report, i, "cases", cases));
  }
  return html;
}

Html legend(const Suite& suite) {
  Html html;
  html.raw("<p class=\"legend\">");
  for (std::size_t i = 0; i < suite.report.devices.size(); ++i) {
    html.raw("<span>").add(chip(i)).text(" " + label_of(suite.report, i)).raw("</span> ");
  }
  for (const std::string& who : suite.others) {
    html.raw("<span>").add(shape_icon(shape_of(suite, who))).text(" " + who).raw("</span> ");
  }
  return html.raw("</p>");
}

}  // namespace

Html suite_sections(const Report& report) {
  Html html;
  std::size_t number = 0;
  for (const std::string& name : suites_of(report.devices)) {
    const Suite suite{report, name, lines_of(report.devices, name),
                      others_of(report.devices, name)};
    html.raw("<section id=\"suite").raw(std::to_string(number++)).raw("\"><h2>").text(name);
    html.raw("</h2>").add(legend(suite)).add(origin_notes(suite)).raw("<div class=\"packed\">");
    html.add(time_chart(suite)).add(share_chart(suite)).add(throughput_chart(suite));
    html.add(roofline_chart(suite)).add(memory_chart(suite)).raw("</div>");
    html.add(table_of(suite)).add(operations_table(suite)).raw("</section>\n");
  }
  return html;
}

}  // namespace weft::report
