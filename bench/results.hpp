// What a run of weft_bench leaves: a file, and a table.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "peak.hpp"
#include "scaling.hpp"
#include "session.hpp"

namespace weft::bench {

struct Results {
  DeviceTraits traits;
  std::vector<std::string> arguments;
  std::vector<Ceiling> ceilings;
  std::vector<Entry> entries;
  std::vector<ScalingSeries> scaling;
};

// The whole file; bench/README.md says what each member is.
nlohmann::ordered_json to_json(const Results& results);
// Replaces `path` with these results; `append`: keeps those cases of the file that are not among
// these, and its ceilings and scaling where these have none.
// Errors: invalid_argument: a file that can't be written; check_append's.
Result<void> write_json(const Results& results, const std::string& path, bool append);
// Errors: invalid_argument where `path` is no file of weft_bench, or of another device or host.
Result<void> check_append(const DeviceTraits& traits, const std::string& path);

// The least time that the ceilings allow a case, as a part of `ns`; 0 where unknown.
double share_of_ceiling(const std::vector<Ceiling>& ceilings, const Entry& entry, double ns);
// A row for each case: Weft's medians, its kernel row, its share of the ceiling, and how many times
// as fast as each peer it is; then each peer's geometric mean.
void print_table(const Results& results);

}  // namespace weft::bench
