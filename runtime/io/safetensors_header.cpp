#include "io/safetensors_header.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace weft::io {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";

// Receives the parser's events. A document tree would already have lost duplicate keys, and depth
// is bounded here: whatever is not expected where it stands ends the parse.
class HeaderEvents {
 public:
  SafetensorsHeader header;
  Error error{Code::invalid_argument, "the header is not a JSON object"};

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("a boolean"); }
  bool number_integer(Json::number_integer_t) { return unexpected("a negative number"); }
  bool number_float(Json::number_float_t, const std::string& text) {
    return unexpected("the number " + quote(text));
  }
  bool binary(Json::binary_t&) { return unexpected("binary data"); }
  bool number_unsigned(Json::number_unsigned_t value);
  bool string(std::string& value);
  bool start_object(size_t);
  bool key(std::string& name);
  bool end_object();
  bool start_array(size_t);
  bool end_array();
  bool parse_error(size_t at_byte, const std::string& last_token, const Json::exception&) {
    return stop("the header is not valid UTF-8 JSON: byte " + std::to_string(at_byte) + ", at " +
                quote(last_token));
  }

 private:
  enum class Place { document, top, metadata, tensor, shape, offsets };
  enum class Field { dtype, shape, data_offsets };

  bool stop(std::string message, Code code = Code::invalid_argument) {
    error = Error{code, std::move(message)};
    return false;
  }
  bool unexpected(const std::string& what) { return stop(where() + ": unexpected " + what); }
  std::string where() const;
  bool start_field(const std::string& name);
  bool end_tensor();

  Place place_ = Place::document;
  std::string name_;  // of the tensor, or of the member of the metadata
  bool has_metadata_ = false;
  Field field_ = Field::dtype;
  bool has_field_[3] = {};  // by Field
  TensorInfo tensor_;
  std::vector<uint64_t> offsets_;
};

std::string HeaderEvents::where() const {
  switch (place_) {
    case Place::document:
      return "the header";
    case Place::metadata:
      return std::string(kMetadataKey);
    case Place::top:
      return name_ == kMetadataKey ? name_ : "the header, at tensor " + quote(name_);
    case Place::tensor:
      return "tensor " + quote(name_);
    case Place::shape:
      return "tensor " + quote(name_) + ": shape";
    case Place::offsets:
      return "tensor " + quote(name_) + ": data_offsets";
  }
  return {};
}

bool HeaderEvents::number_unsigned(Json::number_unsigned_t value) {
  if (place_ == Place::offsets) {
    if (offsets_.size() == 2) return stop(where() + ": must be two numbers, found more");
    offsets_.push_back(value);
    return true;
  }
  if (place_ != Place::shape) return unexpected("number");
  if (tensor_.shape.size() == kMaxSafetensorsRank) {
    return stop(where() + ": more than " + std::to_string(kMaxSafetensorsRank) + " axes");
  }
  tensor_.shape.push_back(value);
  return true;
}

bool HeaderEvents::string(std::string& value) {
  if (place_ == Place::metadata) {
    header.metadata.emplace(name_, std::move(value));
    return true;
  }
  if (place_ != Place::tensor || field_ != Field::dtype) return unexpected("string");
  const std::optional<ElementType> type = element_type(value);
  if (!type) return stop(where() + ": unknown dtype " + quote(value), Code::unsupported);
  tensor_.type = *type;
  return true;
}

bool HeaderEvents::start_object(size_t) {
  if (place_ == Place::document) {
    place_ = Place::top;
    return true;
  }
  if (place_ != Place::top) return unexpected("object");
  place_ = name_ == kMetadataKey ? Place::metadata : Place::tensor;
  tensor_ = {};
  for (bool& has : has_field_) has = false;
  return true;
}

bool HeaderEvents::key(std::string& name) {
  if (place_ == Place::tensor) return start_field(name);
  const bool is_metadata = place_ == Place::top && name == kMetadataKey;
  const bool seen = place_ == Place::metadata ? header.metadata.contains(name)
                    : is_metadata             ? has_metadata_
                                              : header.tensors.contains(name);
  if (seen) {
    const char* scope = place_ == Place::metadata ? "__metadata__: " : "";
    return stop(std::string(scope) + "duplicate key " + quote(name));
  }
  has_metadata_ = has_metadata_ || is_metadata;
  name_ = std::move(name);
  return true;
}

bool HeaderEvents::start_field(const std::string& name) {
  if (name == "dtype") {
    field_ = Field::dtype;
  } else if (name == "shape") {
    field_ = Field::shape;
  } else if (name == "data_offsets") {
    field_ = Field::data_offsets;
  } else {
    return stop(where() + ": unknown key " + quote(name));
  }
  bool& has = has_field_[static_cast<size_t>(field_)];
  if (has) return stop(where() + ": duplicate key " + quote(name));
  has = true;
  return true;
}

bool HeaderEvents::end_object() {
  if (place_ == Place::tensor && !end_tensor()) return false;
  place_ = place_ == Place::top ? Place::document : Place::top;
  return true;
}

bool HeaderEvents::end_tensor() {
  if (!has_field_[0] || !has_field_[1] || !has_field_[2]) {
    return stop(where() + ": must have dtype, shape and data_offsets");
  }
  header.tensors.emplace(name_, std::move(tensor_));
  return true;
}

bool HeaderEvents::start_array(size_t) {
  if (place_ != Place::tensor || field_ == Field::dtype) return unexpected("array");
  place_ = field_ == Field::shape ? Place::shape : Place::offsets;
  offsets_.clear();
  return true;
}

bool HeaderEvents::end_array() {
  if (place_ == Place::offsets) {
    if (offsets_.size() != 2) return stop(where() + ": must be two numbers, found fewer");
    tensor_.begin = offsets_[0];
    tensor_.end = offsets_[1];
  }
  place_ = Place::tensor;
  return true;
}

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view text) {
  if (text.empty() || text.front() != '{') {
    return fail(Code::invalid_argument, "the header must begin with '{'");
  }
  // The parser would take it for the end of the text, and whatever follows would go unchecked.
  if (text.find('\0') != std::string_view::npos) {
    return fail(Code::invalid_argument, "the header is not valid UTF-8 JSON: it has a zero byte");
  }
  HeaderEvents events;
  if (!Json::sax_parse(text, &events)) return std::unexpected(std::move(events.error));
  return std::move(events.header);
}

std::string quote(std::string_view text) {
  constexpr size_t kMaxBytes = 80;
  const std::string shown(text.substr(0, kMaxBytes));
  return Json(shown).dump(-1, ' ', true, Json::error_handler_t::replace) +
         (text.size() > kMaxBytes ? "..." : "");
}

Result<std::string> json_string(const std::string& text) {
  std::string literal = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  // What isn't UTF-8 was replaced, so it doesn't come back the same.
  if (Json::parse(literal, nullptr, false) != Json(text)) {
    return fail(Code::invalid_argument, quote(text) + " is not UTF-8");
  }
  return literal;
}

}  // namespace weft::io
