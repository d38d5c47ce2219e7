#include "reference/case_line.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

namespace weft::cases {
namespace {

template <class Enum>
using Names = std::vector<std::pair<Enum, std::string_view>>;

const Names<DType> kTypes = {{DType::f32, "f32"}, {DType::f16, "f16"}, {DType::bf16, "bf16"}};
const Names<Mask> kMasks = {{Mask::none, "none"},
                            {Mask::boolean, "boolean"},
                            {Mask::bias, "bias"},
                            {Mask::bias_f16, "bias_f16"},
                            {Mask::bias_bf16, "bias_bf16"}};
const Names<Masked> kMasked = {
    {Masked::some, "some"}, {Masked::none, "none"}, {Masked::rows, "rows"}, {Masked::all, "all"}};
const Names<Lengths> kLengths = {{Lengths::none, "none"},     {Lengths::full, "full"},
                                 {Lengths::random, "random"}, {Lengths::zero, "zero"},
                                 {Lengths::over, "over"},     {Lengths::negative, "negative"},
                                 {Lengths::mixed, "mixed"}};
const Names<Logits> kLogits = {
    {Logits::normal, "normal"}, {Logits::large, "large"}, {Logits::huge, "huge"}};
const Names<Layout> kLayouts = {{Layout::bhld, "bhld"},
                                {Layout::blhd, "blhd"},
                                {Layout::padded, "padded"},
                                {Layout::odd, "odd"}};
const Names<Activation> kActivations = {{Activation::none, "none"},
                                        {Activation::relu, "relu"},
                                        {Activation::silu, "silu"},
                                        {Activation::gelu, "gelu"},
                                        {Activation::gelu_tanh, "gelu_tanh"}};

template <class Enum>
std::string_view name_of(const Names<Enum>& names, Enum value) {
  for (const auto& [known, name] : names)
    if (known == value) return name;
  return "?";
}

template <class Enum>
std::optional<Enum> value_of(const Names<Enum>& names, std::string_view text) {
  for (const auto& [value, name] : names)
    if (name == text) return value;
  return std::nullopt;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

struct Word {
  std::string name;
  std::optional<std::string> value;  // of "name=value" and "k77"
  bool used = false;
};

// "k77" is the name k and the value 77; a type such as "f16" is a name alone.
Word split_word(std::string_view text) {
  if (const size_t equals = text.find('='); equals != text.npos)
    return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
  const size_t digit = text.find_first_of("0123456789");
  if (digit == text.npos || digit == 0 || value_of(kTypes, text)) return {std::string(text), {}};
  return {std::string(text.substr(0, digit)), std::string(text.substr(digit))};
}

// Fills a case from words. Keeps the first error; what follows one doesn't matter.
class Reader {
 public:
  explicit Reader(std::vector<Word> words) : words_(std::move(words)) {}

  void size(std::string_view name, int64_t& out) {
    if (!find(name)) return complain("has no " + std::string(name) + "<number>");
    size(name, out, 0);
  }
  void size(std::string_view name, int64_t& out, int64_t fallback) {
    number(name, out, fallback);
    if (out < 0)
      complain(std::string(name) + " is " + std::to_string(out) + "; it must be 0 or more");
  }
  void usual_size(std::string_view name, int64_t& out, int64_t fallback) {
    size(name, out, fallback);
  }
  template <class Number>
  void number(std::string_view name, Number& out, Number fallback) {
    out = fallback;
    if (const std::string* text = value(name)) {
      const auto parsed = number_of<Number>(*text);
      if (!parsed) return complain("'" + *text + "' is no value for " + std::string(name));
      out = *parsed;
    }
  }
  template <class Enum>
  void choice(std::string_view name, Enum& out, const Names<Enum>& names, Enum fallback) {
    out = fallback;
    const std::string* text = value(name);
    if (!text) return;
    if (const auto known = value_of(names, *text)) {
      out = *known;
      return;
    }
    std::string all;
    for (const auto& entry : names) all += " " + std::string(entry.second);
    complain(std::string(name) + " is '" + *text + "'; it must be one of" + all);
  }
  void flag(std::string_view name, bool& out) {
    Word* word = find(name);
    out = word != nullptr;
    if (word && word->value) complain(std::string(name) + " takes no value");
  }
  void text(std::string_view name, std::string& out, std::string_view fallback) {
    const std::string* given = value(name);
    out = given ? *given : std::string(fallback);
  }
  void list(std::string_view name, std::vector<uint32_t>& out) {
    out.clear();
    const std::string* text = value(name);
    if (!text) return;
    std::stringstream parts(*text);
    for (std::string part; std::getline(parts, part, ',');) {
      const auto parsed = number_of<uint32_t>(part);
      if (!parsed) return complain("'" + part + "' in " + std::string(name) + " is no index");
      out.push_back(*parsed);
    }
  }
  // The bare type of the line.
  DType base_type() {
    DType type = DType::f32;
    for (Word& word : words_)
      if (const auto known = word.value ? std::nullopt : value_of(kTypes, word.name)) {
        if (word.used) continue;
        word.used = true;
        type = *known;
        break;
      }
    return type;
  }
  void base_type(DType& out) { out = base_type(); }

  void complain(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }
  // The first complaint, or the first word that nothing asked for.
  std::string problem() const {
    if (!problem_.empty()) return problem_;
    for (const Word& word : words_)
      if (!word.used) return "has '" + word.name + "', which is unknown here or given twice";
    return {};
  }

 private:
  Word* find(std::string_view name) {
    for (Word& word : words_)
      if (word.name == name) {
        word.used = true;
        return &word;
      }
    return nullptr;
  }
  const std::string* value(std::string_view name) {
    Word* word = find(name);
    if (!word) return nullptr;
    if (!word->value) {
      complain(std::string(name) + " needs a value");
      return nullptr;
    }
    return &*word->value;
  }

  std::vector<Word> words_;
  std::string problem_;
};

// Writes the words that the reader needs: the same calls in the same order.
class Writer {
 public:
  void size(std::string_view name, const int64_t& value) {
    add(short_form(name, std::to_string(value)));
  }
  void size(std::string_view name, const int64_t& value, int64_t fallback) {
    if (value != fallback) add(short_form(name, std::to_string(value)));
  }
  // Written even where it could be left out: people look for it.
  void usual_size(std::string_view name, const int64_t& value, int64_t) { size(name, value); }
  template <class Number>
  void number(std::string_view name, const Number& value, Number fallback) {
    if (value == fallback) return;
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    add(std::string(name) + "=" + std::string(text, end));
  }
  template <class Enum>
  void choice(std::string_view name, const Enum& value, const Names<Enum>& names, Enum fallback) {
    if (value != fallback) add(std::string(name) + "=" + std::string(name_of(names, value)));
  }
  void flag(std::string_view name, const bool& value) {
    if (value) add(name);
  }
  void text(std::string_view name, const std::string& value, std::string_view fallback) {
    if (value != fallback) add(std::string(name) + "=" + value);
  }
  void list(std::string_view name, const std::vector<uint32_t>& values) {
    std::string text;
    for (uint32_t value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
    if (!text.empty()) add(std::string(name) + "=" + text);
  }
  void base_type(const DType& type) { add(name_of(kTypes, type)); }
  void complain(std::string_view) {}

  void add(std::string_view word) { line_ += (line_.empty() ? "" : " ") + std::string(word); }
  const std::string& line() const { return line_; }

 private:
  static std::string short_form(std::string_view name, const std::string& value) {
    return std::string(name) + (name.size() <= 2 ? "" : "=") + value;
  }
  std::string line_;
};

// The words of each kind of case, once for reading and writing.
template <class Visitor>
void visit_words(Visitor& words, AttentionCase& c) {
  words.usual_size("b", c.batch, 1);
  words.usual_size("h", c.heads, 1);
  words.size("kv", c.kv_heads, c.heads);
  words.size("q", c.q_len);
  words.size("k", c.kv_len);
  words.size("d", c.head_dim);
  words.size("dv", c.value_dim, c.head_dim);
  words.base_type(c.query);
  const DType base = c.query;
  words.choice("kv_type", c.kv, kTypes, base);
  words.choice("out", c.output, kTypes, base);
  words.choice("mask", c.mask, kMasks, Mask::none);
  words.text("mask_shape", c.mask_shape, "bhqk");
  words.choice("masked", c.masked, kMasked, Masked::some);
  words.choice("lengths", c.lengths, kLengths, Lengths::none);
  words.flag("lse", c.logsumexp);
  words.number("scale", c.scale, 0.0f);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.flag("bcast_kv", c.broadcast_kv);
  words.flag("poison", c.poison);
  words.choice("logits", c.logits, kLogits, Logits::normal);
  words.size("seed", c.seed, 0);
  if (c.kv_heads == 0 || c.heads % c.kv_heads != 0)
    words.complain("has " + std::to_string(c.heads) + " heads; kv_heads " +
                   std::to_string(c.kv_heads) + " must divide them");
  const std::string& shape = c.mask_shape;
  const bool in_order = std::string_view("bhqk").find_first_of(shape) != std::string_view::npos;
  if (!in_order ||
      !std::is_sorted(shape.begin(), shape.end(),
                      [](char x, char y) {
                        return std::string_view("bhqk").find(x) < std::string_view("bhqk").find(y);
                      }) ||
      shape.back() != 'k' || shape.find_first_not_of("bhqk") != shape.npos)
    words.complain("mask_shape is '" + shape +
                   "'; it must be letters of bhqk in order, ending in k");
}

template <class Visitor>
void visit_words(Visitor& words, WeightsCase& c) {
  visit_words(words, c.attention);
  words.list("heads", c.heads);
  words.list("keys", c.keys);
  words.flag("mean", c.mean_heads);
  for (uint32_t head : c.heads)
    if (head >= c.attention.heads)
      words.complain("lists head " + std::to_string(head) + ", which is none");
  for (uint32_t key : c.keys)
    if (key >= c.attention.kv_len)
      words.complain("lists key " + std::to_string(key) + ", which is none");
}

template <class Visitor>
void visit_words(Visitor& words, LinearCase& c) {
  words.size("m", c.rows);
  words.size("k", c.in_features);
  words.size("n", c.out_features);
  words.base_type(c.input);
  words.choice("weight", c.weight, kTypes, DType(c.input));
  words.choice("out", c.output, kTypes, DType(c.input));
  words.flag("bias", c.bias);
  words.choice("bias_type", c.bias_type, kTypes, DType(c.weight));
  words.choice("act", c.activation, kActivations, Activation::none);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
}

template <class Visitor>
void visit_words(Visitor& words, NormCase& c) {
  words.size("m", c.rows);
  words.size("d", c.dim);
  words.base_type(c.input);
  words.choice("weight", c.weight, kTypes, DType(c.input));
  words.choice("out", c.output, kTypes, DType(c.input));
  words.flag("no_weight", c.no_weight);
  words.flag("bias", c.bias);
  words.flag("in_place", c.in_place);
  words.number("epsilon", c.epsilon, 1e-5f);
  words.number("offset", c.offset, 0.0f);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
  if (c.in_place && c.input != c.output) words.complain("is in place with two types");
}

template <class Visitor>
void visit_words(Visitor& words, AddCase& c) {
  words.size("m", c.rows);
  words.size("d", c.dim);
  words.base_type(c.left);
  words.size("right_rows", c.right_rows, c.rows);
  words.choice("right", c.right, kTypes, DType(c.left));
  words.choice("out", c.output, kTypes, DType(c.left));
  words.flag("in_place", c.in_place);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
  if (c.in_place && c.left != c.output) words.complain("is in place with two types");
  if (c.right_rows == 0 ? c.rows != 0 : c.rows % c.right_rows != 0)
    words.complain("has " + std::to_string(c.rows) + " rows; right_rows " +
                   std::to_string(c.right_rows) + " must divide them");
}

template <class Visitor>
void visit_words(Visitor& words, GatherCase& c) {
  words.size("n", c.count);
  words.size("rows", c.table_rows);
  words.size("d", c.dim);
  words.base_type(c.table);
  words.choice("out", c.output, kTypes, DType(c.table));
  words.flag("outside", c.outside);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
}

std::string_view kind_of(const AttentionCase&) { return ""; }
std::string_view kind_of(const WeightsCase&) { return "weights"; }
std::string_view kind_of(const LinearCase&) { return "linear"; }
std::string_view kind_of(const NormCase& c) {
  return c.norm == Norm::layer ? "layer_norm" : "rms_norm";
}
std::string_view kind_of(const AddCase&) { return "add"; }
std::string_view kind_of(const GatherCase&) { return "gather"; }

std::optional<Case> empty_case(std::string_view kind) {
  if (kind == "weights") return WeightsCase{};
  if (kind == "linear") return LinearCase{};
  if (kind == "layer_norm") return NormCase{.norm = Norm::layer};
  if (kind == "rms_norm") return NormCase{.norm = Norm::rms};
  if (kind == "add") return AddCase{};
  if (kind == "gather") return GatherCase{};
  if (kind == "attention") return AttentionCase{};
  return std::nullopt;
}

}  // namespace

Result<Case> parse(std::string_view line) {
  std::stringstream text{std::string(line.substr(0, line.find('#')))};
  const std::vector<std::string> parts{std::istream_iterator<std::string>(text), {}};
  const auto error = [&](const std::string& problem) {
    return fail(Code::invalid_argument, "case line: '" + std::string(line) + "' " + problem);
  };
  if (parts.empty()) return error("is empty");
  std::optional<Case> problem = empty_case(parts[0]);
  std::vector<Word> words;
  for (size_t i = problem ? 1 : 0; i < parts.size(); ++i) words.push_back(split_word(parts[i]));
  if (!problem) problem = AttentionCase{};
  Reader reader(std::move(words));
  std::visit([&](auto& c) { visit_words(reader, c); }, *problem);
  if (const std::string found = reader.problem(); !found.empty()) return error(found);
  return *problem;
}

std::string print(const Case& problem) {
  Writer writer;
  std::visit(
      [&](auto c) {
        if (const std::string_view kind = kind_of(c); !kind.empty()) writer.add(kind);
        visit_words(writer, c);
      },
      problem);
  return writer.line();
}

Result<std::vector<Case>> parse_all(std::string_view text) {
  std::vector<Case> cases;
  std::stringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string_view content = std::string_view(line).substr(0, line.find('#'));
    if (content.find_first_not_of(" \t\r") == content.npos) continue;
    auto problem = parse(content);
    if (!problem)
      return fail(Code::invalid_argument,
                  "line " + std::to_string(number) + ": " + std::move(problem).error().message);
    cases.push_back(*std::move(problem));
  }
  return cases;
}

Result<std::vector<Case>> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(Code::invalid_argument, "case file: can't read '" + path + "'");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto cases = parse_all(text);
  if (!cases) return fail(Code::invalid_argument, path + ": " + cases.error().message);
  return cases;
}

MaskKind mask_kind(Mask mask) noexcept {
  if (mask == Mask::none) return MaskKind::none;
  return mask == Mask::boolean ? MaskKind::boolean : MaskKind::bias;
}

DType mask_dtype(Mask mask) noexcept {
  switch (mask) {
    case Mask::bias:
      return DType::f32;
    case Mask::bias_f16:
      return DType::f16;
    case Mask::bias_bf16:
      return DType::bf16;
    default:
      return DType::u8;
  }
}

bool mask_has(const AttentionCase& problem, char axis) noexcept {
  return problem.mask_shape.find(axis) != std::string::npos;
}

}  // namespace weft::cases
