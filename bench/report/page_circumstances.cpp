// How everything was measured: what one needs to repeat it, and what the words on the page mean.
#include "measures.hpp"
#include "page.hpp"

namespace weft::report {
namespace {

Html facts_of(const Report& report) {
  Table table("The devices, their drivers and hosts");
  for (const char* name :
       {"on", "device", "driver", "Vulkan", "host", "cores", "system", "Weft", "made", "file"}) {
    table.column(name, std::string_view(name) == "cores");
  }
  for (std::size_t i = 0; i < report.devices.size(); ++i) {
    const Measurement& one = report.devices[i];
    table.row().cell(chip(i)).cell(one.name).cell(one.driver_name + " " + one.driver_info);
    table.cell(one.api_version).cell(one.host_cpu);
    table.cell(one.host_cores > 0 ? std::optional<double>(one.host_cores) : std::nullopt,
               std::to_string(one.host_cores));
    table.cell(one.host_os)
        .cell(one.version + " " + one.origin.commit)
        .cell(one.origin.made)
        .cell(one.file);
  }
  return table.finish();
}

Html ceilings_of(const Report& report) {
  Table table("The ceilings that each device reached in the built-in test of peaks");
  table.column("on", false).column("ceiling", false).column("reached", true);
  table.column("how", false);
  for (std::size_t i = 0; i < report.devices.size(); ++i) {
    for (const Ceiling& one : report.devices[i].ceilings) {
      const bool memory = one.id == "copy" || one.id == "read";
      table.row().cell(chip(i)).cell(one.id);
      table.cell(one.value, show_rate(one.value, memory ? "B/s" : "FLOP/s")).cell(one.detail);
    }
  }
  return table.finish();
}

Html command_of(const Origin& origin) {
  Html html;
  if (origin.environment.empty() && origin.arguments.empty()) return html;
  html.raw(" <code>");
  for (const auto& [key, value] : origin.environment) html.text(key + "=" + value + " ");
  for (const std::string& argument : origin.arguments) html.text(argument + " ");
  return html.raw("</code>");
}

// Every run of every file.
Html commands_of(const Report& report) {
  Html html;
  for (std::size_t i = 0; i < report.devices.size(); ++i) {
    const std::vector<Origin> origins = origins_of(report.devices[i]);
    for (const Origin& origin : origins) {
      if (origins.size() == 1 && origin.arguments.empty() && origin.environment.empty()) continue;
      html.raw("<p>").add(chip(i)).raw(" <span class=\"quiet\">");
      html.text(origin.commit + " " + origin.made + ": " + contents_of(report.devices[i], origin));
      html.raw("</span>").add(command_of(origin)).raw("</p>");
    }
  }
  return html;
}

Html words() {
  return Html().raw(
      "<dl class=\"words\">"
      "<div><dt>time</dt><dd>submit to done, as a caller waits for it; where a file lacks it, the "
      "device's own clock. Medians.</dd></div>"
      "<div><dt>arithmetic, memory</dt><dd>the operations that the case needs, and the bytes that "
      "must "
      "be moved at least, over the device's time (or else submit to done).</dd></div>"
      "<div><dt>ceiling</dt><dd>the time that the device's own measured peaks allow, arithmetic or "
      "memory, whichever takes longer. fp32 cases are held to fma_f32; fp16 and bf16 cases to the "
      "fastest of fma_f32, matrix_f16_f32 and, for fp16, fma_f16. Memory is held to copy. What "
      "stays in "
      "a cache can pass 100 %.</dd></div>"
      "<div><dt>beside the peers</dt><dd>the peer's time over Weft's, both by one clock and in one "
      "run: "
      "above 1× Weft is faster. Means are geometric.</dd></div>"
      "<div><dt>record, replay</dt><dd>what one call costs the host when it is recorded, and when "
      "a "
      "recorded program runs again.</dd></div>"
      "<div><dt>first call</dt><dd>recorded and run on a device that was opened for it, without "
      "caches of pipelines, until the result is there; compiling is what of it is gone in later "
      "calls, of all kernels that the case runs.</dd></div></dl>");
}

}  // namespace

Html circumstances_section(const Report& report) {
  Html html;
  html.raw("<section id=\"circumstances\"><h2>How it was measured</h2>").add(words());
  html.add(facts_of(report)).add(ceilings_of(report)).add(commands_of(report));
  return html.raw("</section>\n");
}

}  // namespace weft::report
