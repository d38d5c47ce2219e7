// Which kernel row runs a problem on a device, and why the others don't. Pure: reads traits and
// rows only.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "decide/kernels.hpp"
#include "weft/attention.hpp"

namespace weft::decide {

// What the user asked for: comma-separated lists.
struct Overrides {
  std::string kernel =
      {};  // names of rows to force; each binds only the kind of operation that has it
  std::string disable = {};  // beginnings of names of rows to leave out
};

// What was found out on the device itself.
struct Findings {
  struct Veto {
    const char* row;
    std::string why;  // "its self-test failed: ..."
  };
  std::vector<Veto> vetoes = {};
  const char* fastest = nullptr;  // the row measured to be the fastest for this problem; null: none was
};

// Sizes that a row may refuse, and lengths that it may prefer (0: unknown).
struct AttentionProblem {
  uint32_t head_dim = 0;
  uint32_t value_dim = 0;
  uint32_t q_len = 0;
  bool half = false;  // keys and values have 16 bits
  uint32_t features = 0;
  uint32_t kv_len = 0;
  Inputs inputs = Inputs::any;  // f16 or bf16: query, key and value all are
  bool query_half = false;      // the query has 16 bits
  bool large_kv = false;        // in fp32, keys and values take more than kMostUnpackedBytes
};
struct LinearProblem {
  uint32_t rows = 0;
  uint32_t out_features = 0;
  bool half = false;  // weights have 16 bits
  Inputs inputs = Inputs::any;  // f16 or bf16: data and weights both are
};

// What was decided about one row: "chosen", or why not.
struct Verdict {
  const char* row;
  std::string text;
};

// The first row that fits. Errors: unsupported, with every row and why it can't run.
Result<const AttentionRow*> select_attention(const DeviceTraits& traits,
                                             const AttentionProblem& problem,
                                             const Overrides& overrides,
                                             std::span<const AttentionRow> rows = attention_rows(),
                                             const Findings& findings = {});
Result<const LinearRow*> select_linear(const DeviceTraits& traits, const LinearProblem& problem,
                                       const Overrides& overrides,
                                       std::span<const LinearRow> rows = linear_rows(),
                                       const Findings& findings = {});

// Why a row can't run a problem at all, preferences aside; empty if it can.
std::string why_not(const DeviceTraits& traits, const AttentionRow& row,
                    const AttentionProblem& problem);
std::string why_not(const DeviceTraits& traits, const LinearRow& row, const LinearProblem& problem);

// What a row that can run a problem is preferred for; selection takes the first that is preferred
// for the problem.
enum class Preference { this_problem, other_problems, other_devices };
Preference preference(const DeviceTraits& traits, const AttentionRow& row,
                      const AttentionProblem& problem);

// Why a row is left out by request; empty if it is not.
std::string why_disabled(const Overrides& overrides, const char* row);

// The same decision, every row in order.
std::vector<Verdict> judge_attention(const DeviceTraits& traits, const AttentionProblem& problem,
                                     const Overrides& overrides,
                                     std::span<const AttentionRow> rows = attention_rows(),
                                     const Findings& findings = {});

// The smallest lengths, powers of two or not, that every row and every measured choice treats like
// these: problems that differ only in them share a row.
struct Lengths {
  uint32_t q = 0, kv = 0;
};
Lengths length_class(Lengths lengths, std::span<const AttentionRow> rows = attention_rows()) noexcept;

// The type that all have, as far as rows tell them apart.
Inputs common_inputs(std::initializer_list<DType> types) noexcept;

// What select_attention needs of a description, and of calls whose keys and values are large.
AttentionProblem problem_of(const AttentionDesc& desc, bool large_kv = false) noexcept;

// "kv_lengths", for the lowest bit of features that is set.
const char* feature_name(uint32_t features) noexcept;

}  // namespace weft::decide
