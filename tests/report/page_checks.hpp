// What must hold for every page, however strange its input.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::report {

// What is not well-formed: tags that don't match, attributes without quotes or given twice, stray <
// or
// &, identifiers given twice, links to nowhere. Empty for a good page.
std::vector<std::string> faults_of(std::string_view page);

// The texts of all elements of this name, inner tags removed, references resolved.
std::vector<std::string> texts_of(std::string_view page, std::string_view element);

// How often a piece of text occurs.
std::size_t count_in(std::string_view page, std::string_view piece);

}  // namespace weft::report
