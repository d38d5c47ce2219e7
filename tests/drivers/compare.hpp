// The static comparison: what every compiler makes of every kernel row, beside what it made at the
// last commit.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "weft/error.hpp"

namespace weft::drivers {

struct Statistics {
  std::string driver, device, version;
  struct Pipeline {
    std::string kernel, line;
    std::map<std::string, double> values;
  };
  std::vector<Pipeline> pipelines;
};

// The reports that gates wrote into a folder, by name. Errors: invalid_argument (one is not of that
// form).
Result<std::vector<Statistics>> read_reports(const std::string& folder);
// One file of them all, a line a pipeline. An absent baseline is empty.
Result<std::vector<Statistics>> read_baseline(const std::string& path);
std::string to_baseline(const std::vector<Statistics>& all);

// Two texts for people: a row a driver under each kernel row; then every pipeline that differs.
// `most_lines` of the latter at most.
std::string table(const std::vector<Statistics>& now, const std::vector<Statistics>& before);
std::string differences(const std::vector<Statistics>& now, const std::vector<Statistics>& before,
                        size_t most_lines);

}  // namespace weft::drivers
