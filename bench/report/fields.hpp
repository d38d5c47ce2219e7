// A place in a JSON document that knows its own name, so that every complaint says where.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/error.hpp"

namespace weft::report {

using Json = nlohmann::ordered_json;

// Borrows the document. Places read like "cases[3].runs[0].median_ns".
class Field {
 public:
  Field(const Json& json, std::string place) : json_(&json), place_(std::move(place)) {}

  const Json& json() const { return *json_; }
  const std::string& place() const { return place_; }

  // A member that is there and not null; needs this to be an object.
  std::optional<Field> find(const std::string& key) const;
  // The members of an array, or none where it is missing; fails where it is something else.
  Result<std::vector<Field>> list(const std::string& key) const;
  Result<std::vector<Field>> required_list(const std::string& key) const;
  // The object itself, or nothing where it is missing.
  Result<std::optional<Field>> object(const std::string& key) const;

  Result<std::string> required_text(const std::string& key) const;
  Result<std::string> text(const std::string& key) const;  // "" where it is missing
  // From 0 to 1e30; below 1e-30 counts as 0.
  Result<std::optional<double>> number(const std::string& key) const;

  // Fails where this is no object.
  Result<> must_be_object() const;
  std::unexpected<Error> wrong(const std::string& rule) const;

 private:
  Field child(const Json& json, const std::string& key) const;

  const Json* json_;
  std::string place_;
};

// The number from 1e-30 to 1e30 that a field is.
Result<double> positive(const Field& field);

Result<Json> parse_json(std::string_view text);

}  // namespace weft::report
