// What drivers' compilers said about the kernels, devices that are not here included.
#include <algorithm>

#include "page.hpp"

namespace weft::report {
namespace {

std::vector<std::string> kernels_of(const std::vector<Compiler>& compilers) {
  std::vector<std::string> kernels;
  for (const Compiler& compiler : compilers) {
    for (const Pipeline& pipeline : compiler.pipelines) {
      if (std::ranges::find(kernels, pipeline.kernel) == kernels.end()) {
        kernels.push_back(pipeline.kernel);
      }
    }
  }
  return kernels;
}

// A kernel on one driver: the worst of its pipelines.
struct Worst {
  std::optional<double> registers, spills, occupancy, cycles;
  std::size_t pipelines = 0;
};

void take(std::optional<double>& kept, const std::optional<double>& other, bool larger) {
  if (other && (!kept || (larger ? *other > *kept : *other < *kept))) kept = other;
}

Worst worst_of(const Compiler& compiler, const std::string& kernel) {
  Worst worst;
  for (const Pipeline& pipeline : compiler.pipelines) {
    if (pipeline.kernel != kernel) continue;
    ++worst.pipelines;
    take(worst.registers, pipeline.registers, true);
    take(worst.spills, pipeline.spills, true);
    take(worst.occupancy, pipeline.occupancy, false);
    take(worst.cycles, pipeline.cycles, true);
  }
  return worst;
}

std::string whole(const std::optional<double>& value) { return value ? show_plain(*value) : "–"; }

void worst_cell(Table& table, const Worst& worst) {
  if (worst.pipelines == 0) {
    table.cell(std::nullopt, "");
    return;
  }
  const bool spills = worst.spills.value_or(0) > 0;
  Html html;
  html.raw(spills ? "<b class=\"spill\">" : "<b>").text(whole(worst.registers)).raw("</b>");
  html.raw("<small>occ ").text(whole(worst.occupancy)).raw("</small>");
  if (spills) html.raw("<small class=\"spill\">spills ").text(whole(worst.spills)).raw("</small>");
  html.raw("<small>").text(worst.cycles ? show_rate(*worst.cycles, "cyc") : "").raw("</small>");
  table.cell(html, worst.registers ? show_plain(*worst.registers) : "");
}

Html matrix(const std::vector<Compiler>& compilers) {
  Table table("Worst pipeline of each kernel: registers, occupancy, spills, static cycles");
  table.column("kernel row", false);
  for (const Compiler& compiler : compilers) table.column(compiler.driver, true, compiler.device);
  for (const std::string& kernel : kernels_of(compilers)) {
    table.row().cell(Html().raw("<code>").text(kernel).raw("</code>"), kernel);
    for (const Compiler& compiler : compilers) worst_cell(table, worst_of(compiler, kernel));
  }
  return table.finish();
}

std::size_t spilling(const Compiler& compiler) {
  return static_cast<std::size_t>(std::ranges::count_if(
      compiler.pipelines, [](const Pipeline& one) { return one.spills.value_or(0) > 0; }));
}

Html summary(const std::vector<Compiler>& compilers) {
  std::size_t all = 0, spilled = 0;
  Html where;
  for (const Compiler& compiler : compilers) {
    all += compiler.pipelines.size();
    const std::size_t here = spilling(compiler);
    spilled += here;
    if (here == 0) continue;
    where.raw(where.empty() ? ": " : ", ").text(std::to_string(here) + " on ").raw("<b>");
    where.text(compiler.driver).raw("</b>");
  }
  Html html;
  html.raw("<p><b>").text(std::to_string(spilled)).raw("</b> of ");
  html.text(show_count(all, "pipeline")).raw(" spill registers").add(where).raw(".</p>");
  return html.raw(
      "<p class=\"quiet\">Compiled, not run. Each compiler counts registers, occupancy and "
      "cycles in units of its own: compare down a column, not along a row.</p>");
}

void count_cell(Table& table, const std::optional<double>& value, bool marked = false) {
  table.cell(value, value ? show_plain(*value) : "", marked ? "spill" : "");
}

Html details_of(const Compiler& compiler) {
  Table table(compiler.device + ", " + compiler.version);
  table.column("kernel row", false).column("case", false).column("registers", true);
  table.column("spills", true).column("occupancy", true).column("static cycles", true);
  table.column("instructions", true).column("scratch", true);
  for (const Pipeline& one : compiler.pipelines) {
    table.row().cell(Html().raw("<code>").text(one.kernel).raw("</code>"), one.kernel);
    table.cell(Html().raw("<code>").text(one.line).raw("</code>"), one.line);
    count_cell(table, one.registers);
    count_cell(table, one.spills, one.spills.value_or(0) > 0);
    count_cell(table, one.occupancy);
    count_cell(table, one.cycles);
    count_cell(table, one.instructions);
    table.cell(one.scratch_bytes, one.scratch_bytes ? show_bytes(*one.scratch_bytes) : "");
  }
  Html html;
  html.raw("<details><summary>").text(compiler.driver).raw(" <span class=\"quiet\">");
  html.text(compiler.device + ", " + show_count(compiler.pipelines.size(), "pipeline") + ", " +
            std::to_string(spilling(compiler)) + " spilling");
  return html.raw("</span></summary>").add(table.finish()).raw("</details>\n");
}

}  // namespace

Html compiler_section(const Report& report) {
  Html html;
  if (report.compilers.empty()) return html;
  html.raw("<section id=\"compilers\"><h2>What the compilers say</h2>");
  html.add(summary(report.compilers)).add(matrix(report.compilers));
  for (const Compiler& compiler : report.compilers) html.add(details_of(compiler));
  return html.raw("</section>\n");
}

}  // namespace weft::report
