// What a reader learns before scrolling: each device in one sentence, and two charts over all
// suites.
#include <algorithm>

#include "charts.hpp"
#include "measures.hpp"
#include "page.hpp"

namespace weft::report {
namespace {

// Two measurements of one speed differ by so much.
constexpr double kBelievable = 1.05;

struct Extremes {
  const Case* best = nullptr;
  const Case* worst = nullptr;
  double highest = 0, lowest = 0;
};

Extremes extremes_of(const Measurement& device) {
  Extremes out;
  for (const Case& one : device.cases) {
    const auto share = share_of(device, one);
    if (!share) continue;
    if (out.best == nullptr || share->value > out.highest) {
      out.best = &one;
      out.highest = share->value;
    }
    if (out.worst == nullptr || share->value < out.lowest) {
      out.worst = &one;
      out.lowest = share->value;
    }
  }
  return out;
}

Html sentence(const Measurement& device) {
  const Mean mean = mean_share(device, "");
  Html html;
  html.raw("<p>");
  if (!mean.value) {
    return html.raw("No share of a ceiling: the file has no ceilings, or no case that ran.</p>");
  }
  const Extremes extremes = extremes_of(device);
  html.raw("of what this device allows, over ").text(show_count(mean.count, "case"));
  html.raw(": from ").text(show_percent(extremes.lowest)).raw(" (<code>");
  html.text(extremes.worst->line).raw("</code>) to ").text(show_percent(extremes.highest));
  return html.raw(" (<code>").text(extremes.best->line).raw("</code>).</p>");
}

// No cache lifts arithmetic above its ceiling: then the ceiling is wrong, and the page must say so.
Html doubts_of(const Measurement& device) {
  const auto passes = [&](const Case& one) {
    const auto share = share_of(device, one);
    return share && !share->memory_bound && share->value > kBelievable;
  };
  const auto count = static_cast<std::size_t>(std::ranges::count_if(device.cases, passes));
  Html html;
  if (count == 0) return html;
  html.raw("<p class=\"doubt\">").text(show_count(count, "case"));
  return html.raw(
      " passed the arithmetic ceiling, which nothing can: the test of peaks was slowed down, or "
      "doesn't reach the peak. The shares here are too high.</p>");
}

Html beside_peers(const Measurement& device) {
  Html html;
  for (const std::string& peer : peers_of({device})) {
    const Mean mean =
        mean_of(device, "", [&](const Case& one) { return times_as_fast(one, peer); });
    if (!mean.value) continue;
    html.raw(html.empty() ? "<p>In the same runs, Weft is " : ", ").raw("<b>");
    html.text(show_times(*mean.value)).raw("</b> as fast as ").text(peer);
  }
  return html.empty() ? html : html.raw(".</p>");
}

Html ceilings_of(const Measurement& device) {
  Html html;
  if (device.ceilings.empty()) return html;
  html.raw("<dl class=\"ceilings\">");
  for (const Ceiling& ceiling : device.ceilings) {
    const bool memory = ceiling.id == "copy" || ceiling.id == "read";
    html.raw("<div title=\"").text(ceiling.detail).raw("\"><dt>").text(ceiling.id);
    html.raw("</dt><dd>").text(show_rate(ceiling.value, memory ? "B/s" : "FLOP/s"));
    html.raw("</dd></div>");
  }
  return html.raw("</dl>");
}

Html card(const Report& report, std::size_t index) {
  const Measurement& device = report.devices[index];
  const Mean mean = mean_share(device, "");
  Html html;
  html.raw("<article class=\"card ").raw(colour_of(index)).raw("\"><h2>").add(chip(index));
  html.text(" " + device.name).raw("</h2><p class=\"quiet\">").text(device.type);
  // A driver that runs on the host does not say on what.
  if (device.type == "cpu" && !device.host_cpu.empty()) html.text(" (" + device.host_cpu + ")");
  if (!device.type.empty()) html.raw(", ");
  html.text("driver " + device.driver_name + " " + device.driver_info).raw("</p>");
  if (mean.value) html.raw("<p class=\"big\">").text(show_percent(*mean.value)).raw("</p>");
  html.add(sentence(device))
      .add(doubts_of(device))
      .add(beside_peers(device))
      .add(ceilings_of(device));
  html.raw("<p class=\"quiet\">").text(device.file + ", measured at " + commits_of(device));
  if (report.changes) html.text(index == 0 ? ", the old one" : ", the new one");
  return html.raw("</p></article>\n");
}

Html share_chart(const Report& report) {
  BarChart chart{.title = "Share of the ceiling",
                 .note = "geometric mean of each suite",
                 .format = show_percent,
                 .reference = 1};
  for (const std::string& suite : suites_of(report.devices)) {
    BarGroup group{suite, {}};
    for (std::size_t i = 0; i < report.devices.size(); ++i) {
      const Mean mean = mean_share(report.devices[i], suite);
      if (!mean.value) continue;
      group.bars.push_back({i, mean.value, show_percent(*mean.value),
                            suite + ", " + report.devices[i].name + ": " +
                                show_percent(*mean.value) + " over " +
                                show_count(mean.count, "case")});
    }
    if (!group.bars.empty()) chart.groups.push_back(std::move(group));
  }
  return chart.groups.empty() ? Html() : draw(chart);
}

Html peer_chart(const Report& report) {
  BarChart chart{.title = "Beside the peers",
                 .note = "Weft's speed over theirs, geometric mean of all cases, log scale",
                 .format = show_times,
                 .reference = 1,
                 .ratio = true,
                 .low_side = "peer faster",
                 .high_side = "Weft faster"};
  for (const std::string& peer : peers_of(report.devices)) {
    BarGroup group{peer, {}};
    for (std::size_t i = 0; i < report.devices.size(); ++i) {
      const Mean mean =
          mean_of(report.devices[i], "", [&](const Case& one) { return times_as_fast(one, peer); });
      if (!mean.value) continue;
      group.bars.push_back({i, mean.value, show_times(*mean.value),
                            "as fast as " + peer + " on " + report.devices[i].name + ", over " +
                                show_count(mean.count, "case")});
    }
    if (!group.bars.empty()) chart.groups.push_back(std::move(group));
  }
  return chart.groups.empty() ? Html() : draw(chart);
}

}  // namespace

Html headline(const Report& report) {
  Html html;
  html.raw("<section class=\"cards\" aria-label=\"The devices\">\n");
  for (std::size_t i = 0; i < report.devices.size(); ++i) html.add(card(report, i));
  return html.raw("</section>\n");
}

Html overview_section(const Report& report) {
  Html charts;
  charts.add(share_chart(report)).add(peer_chart(report));
  if (charts.empty()) return charts;
  Html html;
  html.raw("<section><h2>All suites</h2><div class=\"charts\">").add(charts);
  return html.raw("</div></section>\n");
}

}  // namespace weft::report
