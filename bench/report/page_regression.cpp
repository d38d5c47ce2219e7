// What changed between two measurements of one device.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "charts.hpp"
#include "page.hpp"

namespace weft::report {
namespace {

constexpr std::size_t kMostBars = 30;
// The news first.
constexpr std::array kOrder = {Verdict::broken,   Verdict::slower,  Verdict::faster,
                               Verdict::repaired, Verdict::missing, Verdict::added,
                               Verdict::untested, Verdict::same};

std::string class_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::slower:
    case Verdict::broken:
      return "worse";
    case Verdict::faster:
    case Verdict::repaired:
      return "better";
    default:
      return "unchanged";
  }
}

std::string show_change(double ratio) {
  char text[400];
  const double percent = (ratio - 1) * 100;
  std::snprintf(text, sizeof text, "%s%.1f %%", percent < 0 ? "−" : "+", std::abs(percent));
  return text;
}

std::string show_p(double p) { return p < 0.0001 ? "< 0.0001" : significant(p, 2); }

Html verdict_sentence(const Comparison& changes) {
  Html html;
  html.raw("<p class=\"verdict ").raw(has_regression(changes) ? "worse" : "better").raw("\">");
  bool first = true;
  for (const Verdict verdict : kOrder) {
    const std::size_t count = count_of(changes, verdict);
    const bool always = verdict == Verdict::slower || verdict == Verdict::faster;
    if (count == 0 && !always) continue;
    html.raw(first ? "" : ", ").raw("<b>").text(std::to_string(count)).raw("</b> ");
    html.text(to_string(verdict));
    first = false;
  }
  return html.raw("</p>");
}

Html method(const Report& report) {
  const Comparison& changes = *report.changes;
  Html html;
  html.raw(
      "<p class=\"quiet\">Slower or faster means: the Mann-Whitney U test on the samples gives "
      "p ≤ 0.01 (two-sided; exact up to 20 samples a side without ties), and the medians differ "
      "by more than ");
  html.text(show_percent(changes.threshold));
  html.raw(
      ". Fewer than 5 samples on each side can never pass. Samples of one process don't show how "
      "processes differ: measure both files more than once before you believe a small change.");
  if (changes.peers_ratio) {
    html.raw(" The peers, which nobody changed, moved by ");
    html.text(show_change(*changes.peers_ratio)).raw(" (geometric mean of ");
    html.text(std::to_string(changes.peers_count)).raw(" times): so much is the machine.");
  }
  html.raw("</p>");
  if (!same_device(report.devices[0], report.devices[1])) {
    html.raw("<p class=\"verdict worse\">The two files name different devices or drivers.</p>");
  }
  return html;
}

// The widest changes of what a caller waits for.
Html chart_of(const Comparison& changes) {
  std::vector<const Change*> shown;
  for (const Change& change : changes.changes) {
    if (change.after_ns > 0 && change.clock == "wall") shown.push_back(&change);
  }
  std::ranges::stable_sort(shown, std::ranges::greater(),
                           [](const Change* change) { return std::abs(std::log(change->ratio)); });
  shown.resize(std::min(shown.size(), kMostBars));
  if (shown.empty()) return {};
  std::ranges::stable_sort(shown, std::ranges::greater(), &Change::ratio);
  BarChart chart{.title = "New time over old",
                 .note = "submit to done; grey is no significant change",
                 .format = show_times,
                 .reference = 1,
                 .ratio = true,
                 .low_side = "faster now",
                 .high_side = "slower now"};
  for (const Change* change : shown) {
    Bar bar{1,
            change->ratio,
            show_change(change->ratio),
            show_time(change->before_ns) + " → " + show_time(change->after_ns),
            {}};
    bar.classes = class_of(change->verdict);
    chart.groups.push_back({change->line, {std::move(bar)}});
  }
  return draw(chart);
}

bool is_news(const Change& change) {
  return change.verdict != Verdict::same && change.verdict != Verdict::untested;
}

// What changed, or everything.
Html table_of(const Comparison& changes, bool everything) {
  Table table(everything ? "Every case and clock" : "The changes");
  table.column("verdict", false).column("suite", false).column("case", false);
  table.column("clock", false).column("old", true).column("new", true);
  table.column("change", true).column("p", true).column("kernel row", false);
  std::vector<Change> sorted = changes.changes;
  std::ranges::stable_sort(sorted, {}, [](const Change& change) {
    return std::ranges::find(kOrder, change.verdict) - kOrder.begin();
  });
  for (const Change& change : sorted) {
    if (!everything && !is_news(change)) continue;
    const bool timed = change.after_ns > 0;
    const auto when = [&](double value) { return timed ? std::optional(value) : std::nullopt; };
    Html badge;
    badge.raw("<span class=\"badge ").raw(class_of(change.verdict)).raw("\">");
    badge.text(to_string(change.verdict)).raw("</span> ").text(change.note);
    table.row().cell(badge, to_string(change.verdict)).cell(change.suite);
    table.cell(Html().raw("<code>").text(change.line).raw("</code>"), change.line);
    table.cell(change.clock.empty() ? "–" : change.clock);
    table.cell(when(change.before_ns), show_time(change.before_ns));
    table.cell(when(change.after_ns), show_time(change.after_ns));
    table.cell(when(change.ratio), show_change(change.ratio));
    table.cell(change.p, change.p ? show_p(*change.p) : "");
    const bool moved = change.kernel_before != change.kernel_after;
    table.cell(moved ? change.kernel_before + " → " + change.kernel_after : change.kernel_after);
  }
  return table.finish();
}

}  // namespace

Html regression_section(const Report& report) {
  Html html;
  if (!report.changes) return html;
  html.raw("<section id=\"changes\"><h2>What changed: ")
      .add(chip(0))
      .text(" " + report.devices[0].file);
  html.raw(" → ")
      .add(chip(1))
      .text(" " + report.devices[1].file)
      .raw("</h2>")
      .add(verdict_sentence(*report.changes))
      .add(method(report));
  html.raw("<div class=\"charts\">").add(chart_of(*report.changes)).raw("</div>");
  html.add(table_of(*report.changes, false))
      .raw("<details><summary>Every case and clock</summary>");
  return html.add(table_of(*report.changes, true)).raw("</details></section>\n");
}

}  // namespace weft::report
