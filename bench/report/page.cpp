#include "page.hpp"

#include <algorithm>
#include <cstdio>

#include "charts.hpp"
#include "measures.hpp"
#include "page_files.h"

namespace weft::report {
namespace {

Html contents(const Report& report) {
  Html html;
  html.raw("<nav aria-label=\"Parts of the page\"><ul>");
  const auto link = [&](std::string_view id, std::string_view name) {
    html.raw("<li><a href=\"#").text(id).raw("\">").text(name).raw("</a></li>");
  };
  const auto suites = suites_of(report.devices);
  for (std::size_t i = 0; i < suites.size(); ++i) link("suite" + std::to_string(i), suites[i]);
  if (!scaling_section(report).empty()) link("scaling", "scaling");
  if (!report.compilers.empty()) link("compilers", "compilers");
  link("circumstances", "how it was measured");
  return html.raw("</ul></nav>\n");
}

Html title_block(const Report& report) {
  std::size_t cases = 0;
  for (const Measurement& device : report.devices) cases += device.cases.size();
  Html html;
  html.raw("<header><div><h1>Weft, measured</h1><p class=\"quiet\">");
  html.text(show_count(report.devices.size(), "file")).raw(", ");
  html.text(show_count(suites_of(report.devices).size(), "suite")).raw(", ");
  html.text(show_count(cases, "measured case"));
  return html.raw(
      "</p></div><button id=\"theme\" type=\"button\" hidden=\"hidden\">"
      "Dark or light</button></header>\n");
}

}  // namespace

Html chip(std::size_t device) {
  Html html;
  html.raw("<span class=\"chip ").raw(colour_of(device)).raw("\">");
  return html.text(letter_of(device)).raw("</span>");
}

std::string label_of(const Report& report, std::size_t device) {
  const Measurement& one = report.devices[device];
  const auto namesakes = std::ranges::count(report.devices, one.name, &Measurement::name);
  return namesakes > 1 ? one.name + ", " + one.file : one.name;
}

Table& Table::column(std::string_view name, bool is_number, std::string_view explanation) {
  head_.raw("<th scope=\"col\"").raw(is_number ? " class=\"n\"" : "");
  if (!explanation.empty()) head_.raw(" title=\"").text(explanation).raw("\"");
  head_.raw(">").text(name).raw("</th>");
  return *this;
}

Table& Table::row() {
  body_.raw(rows_++ == 0 ? "<tr>" : "</tr>\n<tr>");
  return *this;
}

Table& Table::cell(const Html& html, std::string_view key) {
  body_.raw("<td");
  if (!key.empty()) body_.raw(" data-key=\"").text(key).raw("\"");
  body_.raw(">").add(html).raw("</td>");
  return *this;
}

Table& Table::cell(std::optional<double> value, const std::string& shown,
                   std::string_view classes) {
  body_.raw("<td class=\"n ").text(classes).raw("\"");
  if (!value) {
    body_.raw(">–</td>");
    return *this;
  }
  char key[32];
  std::snprintf(key, sizeof key, "%.6g", *value);
  body_.raw(" data-key=\"").raw(key).raw("\">").text(shown).raw("</td>");
  return *this;
}

Html Table::finish() const {
  Html html;
  if (rows_ == 0) return html;
  html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"").text(caption_);
  html.raw("\"><table><caption>").text(caption_).raw("</caption><thead><tr>").add(head_);
  return html.raw("</tr></thead><tbody>").add(body_).raw("</tr></tbody></table></div>\n");
}

std::string make_page(const Report& report) {
  Html html;
  html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"/>");
  html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
  // The browser itself refuses to fetch anything, whatever a string of the input might smuggle in.
  html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
  html.raw("style-src 'unsafe-inline'; script-src 'unsafe-inline'\"/>");
  html.raw("<meta name=\"color-scheme\" content=\"light dark\"/><title>Weft, measured</title>\n");
  html.raw("<style>\n").raw(kPageStyle).raw("</style></head>\n<body>\n");
  html.add(title_block(report));
  html.raw("<main>\n").add(regression_section(report)).add(headline(report));
  html.add(contents(report)).add(overview_section(report));
  html.add(suite_sections(report)).add(scaling_section(report));
  html.add(compiler_section(report)).add(circumstances_section(report));
  html.raw("</main>\n<script>\n").raw(kPageScript).raw("</script>\n</body>\n</html>\n");
  return html.code();
}

}  // namespace weft::report
