#include "io/npy_header.hpp"

#include <array>
#include <limits>
#include <optional>
#include <utility>

namespace weft::io {
namespace {

struct NpyType {
  std::string_view descr;
  ElementType type;
};

constexpr std::array<NpyType, 13> kNpyTypes = {{
    {"|b1", ElementType::boolean},
    {"|u1", ElementType::u8},
    {"|i1", ElementType::i8},
    {"<u2", ElementType::u16},
    {"<i2", ElementType::i16},
    {"<f2", ElementType::f16},
    {"<u4", ElementType::u32},
    {"<i4", ElementType::i32},
    {"<f4", ElementType::f32},
    {"<c8", ElementType::c64},
    {"<u8", ElementType::u64},
    {"<i8", ElementType::i64},
    {"<f8", ElementType::f64},
}};

std::string printable(std::string_view text) {
  std::string shown = "'";
  for (const char c : text.substr(0, 40)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (text.size() > 40 ? "...'" : "'");
}

Result<ElementType> type_of(std::string_view descr) {
  for (const NpyType& known : kNpyTypes) {
    if (descr == known.descr) return known.type;
  }
  const char* why = "is no type that is read";
  if (descr.starts_with('>')) why = "is big-endian; only little-endian is read";
  if (descr.find('O') != std::string_view::npos) why = "means Python objects, which are never read";
  return fail(Code::unsupported, "descr " + printable(descr) + " " + why);
}

// Reads the few forms of Python literal that a header consists of.
class Literal {
 public:
  explicit Literal(std::string_view text) : rest_(text) {}

  // The next visible character, which stays; '\0' at the end.
  char next() {
    const size_t skipped = rest_.find_first_not_of(" \t\n");
    rest_.remove_prefix(skipped == std::string_view::npos ? rest_.size() : skipped);
    return rest_.empty() ? '\0' : rest_.front();
  }

  bool accept(char expected) {
    if (next() != expected || expected == '\0') return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<std::string_view> string() {
    const char quote = next();
    if (quote != '\'' && quote != '"') return std::nullopt;
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view value = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (value.find('\\') != std::string_view::npos) return std::nullopt;
    return value;
  }

  std::optional<bool> boolean() {
    next();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true},
                                      std::pair<std::string_view, bool>{"False", false}}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    return std::nullopt;
  }

  std::optional<uint64_t> number() {
    if (next() < '0' || next() > '9') return std::nullopt;
    uint64_t value = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      const auto digit = static_cast<uint64_t>(rest_.front() - '0');
      if (value > (std::numeric_limits<uint64_t>::max() - digit) / 10) return std::nullopt;
      value = value * 10 + digit;
      rest_.remove_prefix(1);
    }
    if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2 wrote long integers so
    return value;
  }

  // "()", "(3,)", "(3, 4)"; "(3)" is a number in Python, not a tuple.
  std::optional<std::vector<uint64_t>> tuple() {
    std::vector<uint64_t> values;
    if (!accept('(')) return std::nullopt;
    bool comma = true;
    while (comma && next() != ')') {
      const std::optional<uint64_t> value = number();
      if (!value) return std::nullopt;
      values.push_back(*value);
      comma = accept(',');
    }
    if (!accept(')') || (values.size() == 1 && !comma)) return std::nullopt;
    return values;
  }

 private:
  std::string_view rest_;
};

std::unexpected<Error> broken(const std::string& what) {
  return fail(Code::invalid_argument, "the header " + what);
}

struct Fields {
  std::optional<std::string_view> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<uint64_t>> shape;
};

Result<void> read_field(Literal& literal, std::string_view key, Fields& fields) {
  const bool seen = (key == "descr" && fields.descr) || (key == "shape" && fields.shape) ||
                    (key == "fortran_order" && fields.fortran_order);
  if (seen) return broken("has the key " + printable(key) + " twice");
  bool read = false;
  if (key == "descr") {
    if (literal.next() == '[') {
      return fail(Code::unsupported, "descr is a list: structured elements are not read");
    }
    read = (fields.descr = literal.string()).has_value();
  } else if (key == "fortran_order") {
    read = (fields.fortran_order = literal.boolean()).has_value();
  } else if (key == "shape") {
    read = (fields.shape = literal.tuple()).has_value();
  } else {
    return broken("has the unknown key " + printable(key));
  }
  if (!read) return broken("has no proper value for " + printable(key));
  return {};
}

}  // namespace

Result<NpyHeader> parse_npy_header(std::string_view text) {
  Literal literal(text);
  Fields fields;
  if (!literal.accept('{')) return broken("must begin with '{'");
  bool comma = true;
  while (comma && literal.next() != '}') {
    const std::optional<std::string_view> key = literal.string();
    if (!key || !literal.accept(':')) return broken("has no key where one must be");
    WEFT_TRY(read_field(literal, *key, fields));
    comma = literal.accept(',');
  }
  if (!literal.accept('}')) return broken("must end with '}'");
  if (literal.next() != '\0' || text.find('\0') != std::string_view::npos) {
    return broken("has more after its '}'");
  }
  if (!fields.descr || !fields.fortran_order || !fields.shape) {
    return broken("must have descr, fortran_order and shape");
  }
  WEFT_ASSIGN(const ElementType type, type_of(*fields.descr));
  return NpyHeader{type, *fields.fortran_order, std::move(*fields.shape)};
}

Result<std::string> npy_header_text(ElementType type, const std::vector<uint64_t>& shape) {
  for (const NpyType& known : kNpyTypes) {
    if (known.type != type) continue;
    std::string axes;
    for (const uint64_t length : shape) axes += std::to_string(length) + ", ";
    if (shape.size() > 1) axes.resize(axes.size() - 2);
    if (shape.size() == 1) axes.pop_back();
    return "{'descr': '" + std::string(known.descr) + "', 'fortran_order': False, 'shape': (" +
           axes + "), }";
  }
  return fail(Code::unsupported, std::string("NumPy has no type ") + to_string(type));
}

}  // namespace weft::io
