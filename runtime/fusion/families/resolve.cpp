#include "fusion/families/resolve.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace weft::family {
namespace {

struct Axis {
  int64_t factor = 1;
  char letter = '_';
};

// The first axis of a pattern, taken off it.
Axis next_axis(std::string_view& pattern) {
  Axis axis;
  if (pattern[0] >= '0' && pattern[0] <= '9') {
    axis.factor = pattern[0] - '0';
    pattern.remove_prefix(1);
  }
  axis.letter = pattern[0];
  pattern.remove_prefix(1);
  return axis;
}

// The first alternative of patterns, taken off them; what is left has no value after the last one.
std::string_view next_pattern(std::optional<std::string_view>& patterns) {
  const size_t bar = patterns->find('|');
  const std::string_view first = patterns->substr(0, bar);
  if (bar == std::string_view::npos)
    patterns.reset();
  else
    patterns->remove_prefix(bar + 1);
  return first;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (const int64_t length : shape) out += text(out.size() > 1 ? ", " : "", length);
  return out + "]";
}

std::string replaced(std::string name, std::string_view what, int64_t number) {
  if (const size_t at = name.find(what); at != std::string::npos)
    name.replace(at, what.size(), std::to_string(number));
  return name;
}

// IP-Adapter counts the cross-attentions of a UNet as the modules were made: down, up, and the
// middle one last.
size_t place_among(std::vector<std::string> prefixes, std::string_view prefix) {
  std::ranges::stable_partition(prefixes, [](const std::string& other) {
    return other.find("mid_block.") == std::string::npos;
  });
  return static_cast<size_t>(std::ranges::find(prefixes, prefix) - prefixes.begin());
}

std::string full_name(const Names& names, const Found& found, const char* name, int layer) {
  std::string out = name;
  if (out.find("{odd}") != std::string::npos) {
    const size_t place = place_among(prefixes(names, *found.table), found.prefix);
    out = replaced(std::move(out), "{odd}", static_cast<int64_t>(2 * place + 1));
  }
  out = replaced(std::move(out), "{}", layer);
  return out.starts_with('/') ? out.substr(1) : found.prefix + out;
}

// One row of a table against the source.
void take(const Names& names, Found& found, const PartRow& row, int layer,
          std::vector<FoundPart>& parts) {
  std::string name = full_name(names, found, row.name, layer);
  if (!names.has(name)) {
    if (row.need == Need::required) found.missing.push_back(std::move(name));
    return;
  }
  if (row.need == Need::absent) {
    ++found.unexpected;
    return;
  }
  Result<std::vector<int64_t>> shape = names.source.shape(name);
  if (!shape) {
    found.wrong.push_back(text(name, ": ", shape.error().message));
  } else if (!found.letters.fit(row.shape, *shape)) {
    found.wrong.push_back(text(name, ": shape ", shape_text(*shape), ", expected ",
                               found.letters.expected(row.shape)));
  } else {
    ++found.tensors;
    parts.push_back({row.part, std::move(name), std::move(*shape)});
  }
}

void take_step(const Names& names, Found& found, const StepTable& table, int layer) {
  FoundStep step{.table = &table, .parts = {}};
  if (!found.steps.empty() && table.layers == Layers::none &&
      found.steps.back().table->parts.data() == table.parts.data()) {
    step.parts = found.steps.back().parts;
    step.shares_weights = true;
  } else {
    for (const PartRow& row : table.parts) take(names, found, row, layer, step.parts);
  }
  found.steps.push_back(std::move(step));
}

bool in_layer(const StepTable& step, int layer) {
  return step.layers == Layers::all || step.layers == (layer == 0 ? Layers::first : Layers::later);
}

bool has_layer(const Names& names, const Found& found, std::span<const StepTable> steps,
               int layer) {
  return std::ranges::any_of(steps, [&](const StepTable& step) {
    return std::ranges::any_of(step.parts, [&](const PartRow& row) {
      return names.has(full_name(names, found, row.name, layer));
    });
  });
}

// Neighbouring steps with layers, all of them for one layer, then for the next one.
void take_layers(const Names& names, Found& found, std::span<const StepTable> steps) {
  for (int layer = 0; layer == 0 || has_layer(names, found, steps, layer); ++layer)
    for (const StepTable& step : steps)
      if (in_layer(step, layer)) take_step(names, found, step, layer);
}

// Whether `name` is `ending`, or ends so behind a ".".
bool ends_so(std::string_view name, std::string_view ending) {
  if (!name.ends_with(ending)) return false;
  return name.size() == ending.size() || name[name.size() - ending.size() - 1] == '.';
}

}  // namespace

bool Letters::fit_one(std::string_view pattern, const std::vector<int64_t>& shape) {
  std::array<int64_t, 26> values = values_;
  for (const int64_t length : shape) {
    if (pattern.empty() || length < 1 || length > INT32_MAX) return false;
    const Axis axis = next_axis(pattern);
    int64_t one = 1;
    int64_t& value = axis.letter == '_' ? one : values[index(axis.letter)];
    if (value == 0 && length % axis.factor == 0) value = length / axis.factor;
    if (length % axis.factor != 0 || length / axis.factor != value) return false;
  }
  if (!pattern.empty()) return false;
  values_ = values;
  return true;
}

bool Letters::fit(const char* pattern, const std::vector<int64_t>& shape) {
  for (std::optional<std::string_view> patterns = pattern; patterns;)
    if (fit_one(next_pattern(patterns), shape)) return true;
  return false;
}

std::string Letters::expected(const char* pattern) const {
  std::string out;
  for (std::optional<std::string_view> patterns = pattern; patterns;) {
    std::string_view one = next_pattern(patterns);
    std::string shape;
    while (!one.empty()) {
      const Axis axis = next_axis(one);
      const int64_t value = axis.letter == '_' ? 1 : values_[index(axis.letter)];
      if (!shape.empty()) shape += ", ";
      if (value > 0)
        shape += std::to_string(axis.factor * value);
      else
        shape += axis.factor > 1 ? text(axis.factor, " ", std::string(1, axis.letter))
                                 : std::string(1, axis.letter);
    }
    out += text(out.empty() ? "" : " or ", "[", shape, "]");
  }
  return out;
}

Names::Names(const TensorSource& from) : source(from), all(from.names()) { std::ranges::sort(all); }

bool Names::has(std::string_view name) const { return std::ranges::binary_search(all, name); }

bool Names::ends(std::string_view ending) const {
  return std::ranges::any_of(all, [&](const std::string& name) { return ends_so(name, ending); });
}

const FamilyTable* find_table(std::string_view family) noexcept {
  for (const FamilyTable& table : tables())
    if (table.info.name == family) return &table;
  return nullptr;
}

std::vector<std::string> prefixes(const Names& names, const FamilyTable& table) {
  const std::string mark = replaced(anchor(table).name, "{}", 0);
  std::vector<std::string> out;
  for (const std::string& name : names.all)
    if (ends_so(name, mark)) out.push_back(name.substr(0, name.size() - mark.size()));
  std::ranges::sort(out, natural_less);
  return out;
}

Found resolve(const Names& names, const FamilyTable& table, std::string_view prefix) {
  Found found{.table = &table,
              .prefix = std::string(prefix),
              .letters = {},
              .parts = {},
              .steps = {},
              .missing = {},
              .wrong = {}};
  for (size_t i = 0; i < table.steps.size();) {
    size_t end = i + 1;
    if (table.steps[i].layers == Layers::none) {
      take_step(names, found, table.steps[i], 0);
    } else {
      while (end < table.steps.size() && table.steps[end].layers != Layers::none) ++end;
      take_layers(names, found, table.steps.subspan(i, end - i));
    }
    i = end;
  }
  for (const PartRow& row : table.parts) take(names, found, row, 0, found.parts);
  return found;
}

int evidence(const Names& names, const Found& found) {
  const Evidence& known = found.table->evidence;
  const bool named = std::ranges::all_of(known.names, [&](std::string_view name) {
    return name.starts_with('!') ? !names.ends(name.substr(1)) : names.ends(name);
  });
  const bool sized =
      std::ranges::find(known.context_dims, found.letters['C']) != known.context_dims.end();
  return (named && !known.names.empty() ? 1 : 0) + (sized ? 2 : 0);
}

HeadCounts head_counts(const Found& found, const FamilyOptions& options) {
  const FamilyTable& table = *found.table;
  const Letters& letters = found.letters;
  const int64_t inner = query_width(letters);
  const auto divided = [](int64_t length, int64_t by) {
    return by > 0 && length % by == 0 ? static_cast<uint32_t>(length / by) : 0u;
  };
  HeadCounts counts{.heads = options.heads, .kv_heads = options.kv_heads};
  if (counts.heads == 0) counts.heads = divided(inner, letters['H']);
  if (counts.heads == 0) counts.heads = table.heads;
  if (counts.heads == 0) counts.heads = divided(inner, table.head_dim);
  if (counts.kv_heads == 0) counts.kv_heads = divided(letters['K'], letters['H']);
  if (counts.kv_heads == 0) counts.kv_heads = table.kv_heads;
  if (counts.kv_heads == 0) counts.kv_heads = counts.heads;
  return counts;
}

bool natural_less(std::string_view left, std::string_view right) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto number = [&](std::string_view& from) {  // its digits, taken off, without leading zeros
    size_t end = 0;
    while (end < from.size() && digit(from[end])) ++end;
    std::string_view digits = from.substr(0, end);
    from.remove_prefix(end);
    while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
    return digits;
  };
  while (!left.empty() && !right.empty()) {
    if (digit(left[0]) && digit(right[0])) {
      const std::string_view a = number(left), b = number(right);
      if (a.size() != b.size()) return a.size() < b.size();
      if (a != b) return a < b;
    } else {
      if (left[0] != right[0]) return left[0] < right[0];
      left.remove_prefix(1);
      right.remove_prefix(1);
    }
  }
  return left.empty() && !right.empty();
}

}  // namespace weft::family
