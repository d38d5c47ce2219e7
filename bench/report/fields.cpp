#include "fields.hpp"

#include <cmath>

namespace weft::report {
namespace {

constexpr std::size_t kLongestFound = 60;
// Within these, no quotient of two numbers of a file leaves the range of double.
constexpr double kSmallest = 1e-30;
constexpr double kLargest = 1e30;

// What was found, short enough for a message.
std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', true);
  if (text.size() > kLongestFound) text = text.substr(0, kLongestFound) + "...";
  return text;
}

}  // namespace

std::unexpected<Error> Field::wrong(const std::string& rule) const {
  const std::string where = place_.empty() ? "the document" : place_;
  return fail(Code::invalid_argument, where + ": " + rule + ", found " + shown(*json_));
}

Field Field::child(const Json& json, const std::string& key) const {
  return {json, place_.empty() ? key : place_ + "." + key};
}

std::optional<Field> Field::find(const std::string& key) const {
  const auto found = json_->find(key);
  if (found == json_->end() || found->is_null()) return std::nullopt;
  return child(*found, key);
}

Result<> Field::must_be_object() const {
  if (!json_->is_object()) return wrong("must be an object");
  return {};
}

Result<std::vector<Field>> Field::list(const std::string& key) const {
  std::vector<Field> members;
  const auto field = find(key);
  if (!field) return members;
  if (!field->json().is_array()) return field->wrong("must be an array");
  for (std::size_t i = 0; i < field->json().size(); ++i) {
    members.emplace_back(field->json()[i], field->place() + "[" + std::to_string(i) + "]");
  }
  return members;
}

Result<std::vector<Field>> Field::required_list(const std::string& key) const {
  if (!find(key)) return child(Json(), key).wrong("must be an array");
  return list(key);
}

Result<std::optional<Field>> Field::object(const std::string& key) const {
  auto field = find(key);
  if (field) WEFT_TRY(field->must_be_object());
  return field;
}

Result<std::string> Field::required_text(const std::string& key) const {
  const auto field = find(key);
  if (!field) return child(Json(), key).wrong("must be text");
  if (!field->json().is_string()) return field->wrong("must be text");
  if (field->json().get_ref<const std::string&>().empty()) {
    return field->wrong("must be text that is not empty");
  }
  return field->json().get<std::string>();
}

Result<std::string> Field::text(const std::string& key) const {
  const auto field = find(key);
  if (!field) return std::string();
  if (!field->json().is_string()) return field->wrong("must be text");
  return field->json().get<std::string>();
}

Result<std::optional<double>> Field::number(const std::string& key) const {
  const auto field = find(key);
  if (!field) return std::optional<double>();
  const double value = field->json().is_number() ? field->json().get<double>() : std::nan("");
  if (!(value >= 0 && value <= kLargest)) return field->wrong("must be a number from 0 to 1e30");
  return std::optional<double>(value < kSmallest ? 0 : value);
}

Result<double> positive(const Field& field) {
  const double value = field.json().is_number() ? field.json().get<double>() : std::nan("");
  if (!(value >= kSmallest && value <= kLargest)) {
    return field.wrong("must be a number from 1e-30 to 1e30");
  }
  return value;
}

Result<Json> parse_json(std::string_view text) {
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::exception& error) {  // a syntax error, or a number beyond double
    return fail(Code::invalid_argument, std::string("not JSON: ") + error.what());
  }
}

}  // namespace weft::report
