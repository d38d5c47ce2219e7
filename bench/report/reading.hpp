// Reads and checks the files that the report is made from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model.hpp"
#include "weft/error.hpp"

namespace weft::report {

// Each fails with "<file>: <field>: <rule>, found <value>". `name` stands for the file in messages
// and on the page. Unknown fields are passed over; every field but format, device.name, cases and
// what identifies a case, run or point may be missing.
Result<Measurement> parse_measurement(std::string_view text, const std::string& name);
Result<std::vector<Compiler>> parse_compilers(std::string_view text, const std::string& name);

Result<Measurement> read_measurement(const std::string& path);
Result<std::vector<Compiler>> read_compilers(const std::string& path);

}  // namespace weft::report
