#include "io/checkpoint_index.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "io/safetensors_header.hpp"
#include "weft/checkpoint.hpp"

namespace weft::io {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kWeightMap = "weight_map";
constexpr std::string_view kShardEnding = ".safetensors";

// Why this can't be a file of the index's own folder, or an empty string.
std::string objection_to(const std::string& shard) {
  const auto is_foreign = [](char c) { return c == '/' || c == '\\' || c == ':'; };
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (shard.empty()) return "is empty";
  if (shard == "." || shard == "..") return "is a folder";
  if (std::ranges::any_of(shard, is_foreign)) return "must lie in the index's own folder";
  if (std::ranges::any_of(shard, is_control)) return "has a control character";
  if (!shard.ends_with(kShardEnding)) return "must end in " + std::string(kShardEnding);
  return {};
}

// Receives the parser's events: keeps the weight map, and of all else only which keys were there.
class IndexEvents {
 public:
  WeightMap weight_map;
  bool has_weight_map = false;
  Error error{Code::invalid_argument, "the index is not a JSON object"};

  bool null() { return value("null"); }
  bool boolean(bool) { return value("a boolean"); }
  bool number_integer(Json::number_integer_t) { return value("a number"); }
  bool number_unsigned(Json::number_unsigned_t) { return value("a number"); }
  bool number_float(Json::number_float_t, const std::string&) { return value("a number"); }
  bool binary(Json::binary_t&) { return value("binary data"); }
  bool string(std::string& text);
  bool start_object(size_t);
  bool key(std::string& name);
  bool end_object() { return end(); }
  bool start_array(size_t) { return value("an array") && start(); }
  bool end_array() { return end(); }
  bool parse_error(size_t at_byte, const std::string& last_token, const Json::exception&) {
    return stop("the index is not valid UTF-8 JSON: byte " + std::to_string(at_byte) + ", at " +
                quote(last_token));
  }

 private:
  bool stop(std::string message) {
    error = Error{Code::invalid_argument, std::move(message)};
    return false;
  }
  bool value(const char* what);
  bool start();
  bool end();
  bool in_weight_map() const { return keys_.size() == 2 && top_key_ == kWeightMap; }

  std::vector<std::set<std::string>> keys_;  // of each object that is open; of an array none
  std::string top_key_;
  std::string tensor_;  // the last key of the weight map
};

// A value that is no object, and no file's name: fine wherever nothing is expected.
bool IndexEvents::value(const char* what) {
  if (keys_.empty()) return stop(std::string("the index must be an object, found ") + what);
  if (keys_.size() == 1 && top_key_ == kWeightMap)
    return stop(std::string("weight_map must be an object, found ") + what);
  if (in_weight_map())
    return stop("weight_map: " + quote(tensor_) + " must be a string, found " + what);
  return true;
}

bool IndexEvents::string(std::string& text) {
  if (!in_weight_map()) return value("a string");
  if (const std::string why = objection_to(text); !why.empty())
    return stop("weight_map: the file of " + quote(tensor_) + ", " + quote(text) + ", " + why);
  weight_map.emplace(tensor_, std::move(text));
  return true;
}

bool IndexEvents::start() {
  if (keys_.size() == kMaxCheckpointIndexDepth)
    return stop("the index is nested deeper than " + std::to_string(kMaxCheckpointIndexDepth));
  keys_.emplace_back();
  return true;
}

bool IndexEvents::start_object(size_t) {
  if (in_weight_map()) return value("an object");
  if (keys_.size() == 1 && top_key_ == kWeightMap) has_weight_map = true;
  return start();
}

bool IndexEvents::key(std::string& name) {
  if (!keys_.back().insert(name).second) {
    const char* scope = in_weight_map() ? "weight_map: " : "";
    return stop(scope + ("duplicate key " + quote(name)));
  }
  if (keys_.size() == 1) top_key_ = name;
  if (in_weight_map()) tensor_ = std::move(name);
  return true;
}

bool IndexEvents::end() {
  keys_.pop_back();
  return true;
}

}  // namespace

Result<WeightMap> parse_checkpoint_index(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  // The parser would skip a byte order mark, which JSON does not allow.
  if (begin == std::string_view::npos || text[begin] != '{')
    return fail(Code::invalid_argument, "the index must be a JSON object");
  // The parser would take it for the end of the text, and whatever follows would go unchecked.
  if (text.find('\0') != std::string_view::npos)
    return fail(Code::invalid_argument, "the index is not valid UTF-8 JSON: it has a zero byte");
  IndexEvents events;
  if (!Json::sax_parse(text, &events)) return std::unexpected(std::move(events.error));
  if (!events.has_weight_map) return fail(Code::invalid_argument, "the index has no weight_map");
  return std::move(events.weight_map);
}

}  // namespace weft::io
