// Which of Weft's commits the numbers are of, where a file holds those of several runs.
#include <algorithm>
#include <map>

#include "measures.hpp"
#include "page.hpp"

namespace weft::report {
namespace {

std::string shown(const std::string& commit) {
  return commit.empty() ? "an unnamed commit" : commit;
}

// The commit and the day.
std::string shown(const Origin& origin) {
  const std::string day = origin.made.substr(0, origin.made.find('T'));
  return shown(origin.commit) + (day.empty() ? "" : " (" + day + ")");
}

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

template <class Item>
void count(std::vector<std::string>& counts, const std::vector<Item>& items, const Origin& origin,
           const char* name) {
  const auto number = static_cast<std::size_t>(std::ranges::count(items, origin, &Item::origin));
  if (number > 0) counts.push_back(show_count(number, name));
}

}  // namespace

Html origin_note(const Report& report, std::size_t device, const std::string& what,
                 const std::vector<Dated>& parts) {
  const std::string& last = report.devices[device].origin.commit;
  std::map<std::string, std::vector<std::string>> others;
  for (const Dated& part : parts) {
    if (part.origin->commit != last) others[shown(*part.origin)].push_back(part.name);
  }
  Html html;
  for (const auto& [origin, names] : others) {
    html.raw("<p class=\"quiet\">").add(chip(device));
    html.text(" measured at " + origin + ", not at " + shown(last) + ": ");
    html.text(names.size() == parts.size() ? "all" : what + " " + joined(names, ", "));
    html.raw("</p>\n");
  }
  return html;
}

std::string commits_of(const Measurement& device) {
  std::vector<std::string> commits;
  for (const Origin& origin : origins_of(device)) {
    const std::string commit = shown(origin.commit);
    if (std::ranges::find(commits, commit) == commits.end()) commits.push_back(commit);
  }
  return joined(commits, " and ");
}

std::string contents_of(const Measurement& device, const Origin& origin) {
  std::vector<std::string> counts;
  count(counts, device.cases, origin, "case");
  count(counts, device.scaling, origin, "curve");
  count(counts, device.ceilings, origin, "ceiling");
  return joined(counts, ", ");
}

}  // namespace weft::report
