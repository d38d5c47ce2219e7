// A table held against a source: which tensors it has, of which shapes, and what that says about
// heads. No device.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fusion/families/table.hpp"

namespace weft::family {

struct FoundPart {
  Part part;
  std::string name;
  std::vector<int64_t> shape;
};

struct FoundStep {
  const StepTable* table = nullptr;
  std::vector<FoundPart> parts;
  bool shares_weights = false;  // with the step before
};

// What the letters of shapes stand for; 0: not known.
class Letters {
 public:
  int64_t operator[](char letter) const { return values_[index(letter)]; }
  // Takes the first alternative of `pattern` that the shape fits, and its letters with it.
  bool fit(const char* pattern, const std::vector<int64_t>& shape);
  // "[8, C]", alternatives parted by "or".
  std::string expected(const char* pattern) const;

 private:
  static size_t index(char letter) { return static_cast<size_t>(letter - 'A'); }
  bool fit_one(std::string_view pattern, const std::vector<int64_t>& shape);

  std::array<int64_t, 26> values_{};
};

struct Found {
  const FamilyTable* table = nullptr;
  std::string prefix;
  Letters letters;
  std::vector<FoundPart> parts;  // of the stack
  std::vector<FoundStep> steps;
  std::vector<std::string> missing, wrong;
  size_t tensors = 0;     // that fit
  size_t unexpected = 0;  // that another family of these names has
};

// What a source has, read once.
struct Names {
  explicit Names(const TensorSource& source);
  bool has(std::string_view name) const;
  bool ends(std::string_view ending) const;  // some name ends so, behind a "." or as a whole

  const TensorSource& source;
  std::vector<std::string> all;  // in order of bytes
};

const FamilyTable* find_table(std::string_view family) noexcept;

// Where the family's blocks are, layers in order of their numbers.
std::vector<std::string> prefixes(const Names& names, const FamilyTable& table);

Found resolve(const Names& names, const FamilyTable& table, std::string_view prefix);

// How well what else is in the source fits the family; more is better.
int evidence(const Names& names, const Found& found);

// heads * head_dim; a projection of the stream's own width needs no Q.
inline int64_t query_width(const Letters& letters) {
  return letters['Q'] > 0 ? letters['Q'] : letters['D'];
}

struct HeadCounts {
  uint32_t heads = 0;  // 0: nothing says it
  uint32_t kv_heads = 0;
};
HeadCounts head_counts(const Found& found, const FamilyOptions& options);

// Numbers inside texts compare as numbers: "layers.2." before "layers.10.".
bool natural_less(std::string_view left, std::string_view right);

}  // namespace weft::family
