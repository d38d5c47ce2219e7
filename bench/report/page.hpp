// The page: its parts in the order they stand.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "html.hpp"
#include "model.hpp"
#include "regression.hpp"

namespace weft::report {

struct Report {
  std::vector<Measurement> devices;   // at least one
  std::vector<Compiler> compilers;    // may be empty
  std::optional<Comparison> changes;  // of the first device against the second
};

// One HTML document that is also well-formed XML, with everything in it.
std::string make_page(const Report& report);

// Its parts. Each is empty where there is nothing to say.
Html headline(const Report& report);
Html regression_section(const Report& report);
Html overview_section(const Report& report);
Html suite_sections(const Report& report);
Html scaling_section(const Report& report);
Html compiler_section(const Report& report);
Html circumstances_section(const Report& report);

// The device's letter on its colour.
Html chip(std::size_t device);

// The device's name; with its file where another has the same name.
std::string label_of(const Report& report, std::size_t device);

// A part of a section, and the run that it is from.
struct Dated {
  std::string name;
  const Origin* origin;
};
// Says what of the parts, which `what` are, was measured at another commit than the file's last
// run; empty where all are of that.
Html origin_note(const Report& report, std::size_t device, const std::string& what,
                 const std::vector<Dated>& parts);
std::string commits_of(const Measurement& device);  // that its numbers are of, in a sentence
std::string contents_of(const Measurement& device, const Origin& origin);  // what that run measured

// A table that can be sorted where scripts run.
class Table {
 public:
  explicit Table(std::string caption) : caption_(std::move(caption)) {}
  Table& column(std::string_view name, bool is_number, std::string_view explanation = "");
  Table& row();
  Table& cell(const Html& html, std::string_view key = "");
  Table& cell(std::string_view data) { return cell(text(data), data); }
  // A number sorts by its value; what is missing shows as a dash and sorts last.
  Table& cell(std::optional<double> value, const std::string& shown, std::string_view classes = "");
  Html finish() const;

 private:
  std::string caption_;
  Html head_, body_;
  std::size_t rows_ = 0;
};

}  // namespace weft::report
