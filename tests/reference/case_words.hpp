// Words of a case line: names of values, and the two visitors that read and write them.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/tensor.hpp"

namespace weft::cases {

template <class Enum>
using Names = std::vector<std::pair<Enum, std::string_view>>;

inline const Names<DType> kTypes = {
    {DType::f32, "f32"}, {DType::f16, "f16"}, {DType::bf16, "bf16"}};

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
inline Word split_word(std::string_view text) {
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
  // The bare name means `implied`.
  template <class Enum>
  void choice(std::string_view name, Enum& out, const Names<Enum>& names, Enum fallback,
              Enum implied) {
    const Word* word = find(name);
    if (word && !word->value)
      out = implied;
    else
      choice(name, out, names, fallback);
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
  // "3,-1"
  void pair(std::string_view name, int32_t& left, int32_t& right, int32_t fallback) {
    left = right = fallback;
    const std::string* text = value(name);
    if (!text) return;
    const size_t comma = text->find(',');
    const auto first = number_of<int32_t>(std::string_view(*text).substr(0, comma));
    const auto second = comma == text->npos
                            ? std::nullopt
                            : number_of<int32_t>(std::string_view(*text).substr(comma + 1));
    if (!first || !second)
      return complain(std::string(name) + " is '" + *text + "'; it must be two numbers");
    left = *first;
    right = *second;
  }
  // "q,kh"
  void bits(std::string_view name, uint32_t& out, const Names<uint32_t>& names) {
    out = 0;
    const std::string* text = value(name);
    if (!text) return;
    std::stringstream parts(*text);
    for (std::string part; std::getline(parts, part, ',');) {
      const auto bit = value_of(names, part);
      if (!bit) return complain("'" + part + "' is no value for " + std::string(name));
      out |= *bit;
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
  template <class Enum>
  void choice(std::string_view name, const Enum& value, const Names<Enum>& names, Enum fallback,
              Enum implied) {
    if (value == implied)
      add(name);
    else
      choice(name, value, names, fallback);
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
  void pair(std::string_view name, const int32_t& left, const int32_t& right, int32_t fallback) {
    if (left != fallback || right != fallback)
      add(std::string(name) + "=" + std::to_string(left) + "," + std::to_string(right));
  }
  void bits(std::string_view name, const uint32_t& value, const Names<uint32_t>& names) {
    std::string text;
    for (const auto& [bit, known] : names)
      if (value & bit) text += (text.empty() ? "" : ",") + std::string(known);
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

}  // namespace weft::cases
