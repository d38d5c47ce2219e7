#include "peak.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "copy_16.spv.h"
#include "copy_4.spv.h"
#include "fma_f16.spv.h"
#include "fma_f32.spv.h"
#include "matrix.spv.h"
#include "peak_device.hpp"
#include "read_16.spv.h"
#include "read_4.spv.h"

namespace weft::bench {
namespace {

constexpr uint32_t kGroups = 4096, kLocal = 256;      // enough invocations for any device
constexpr double kChains = 12, kSteps = 32;           // of fma.comp
constexpr double kProducts = 16;                      // a round of matrix.comp
constexpr double kTarget = 0.08;                      // seconds that a timed run takes at least
constexpr int kRuns = 5;                              // the best of them counts
constexpr uint64_t kMemoryBytes = uint64_t{1} << 29;  // larger than any cache
constexpr uint64_t kMemoryBytesCpu = uint64_t{1} << 27;
constexpr uint32_t kCopies = 8, kReads = 16;  // in every invocation

using Run = std::function<Result<double>(uint32_t rounds)>;

// Rounds are added until a run takes long enough; then the best of a few gives work a second.
Result<double> best_rate(double work_a_round, const Run& run) {
  uint32_t rounds = 1;
  WEFT_TRY(run(rounds));  // compiles, on some drivers
  for (;;) {
    WEFT_ASSIGN(const double seconds, run(rounds));
    if (seconds >= kTarget || rounds > (1u << 24)) break;
    rounds *= static_cast<uint32_t>(std::clamp(kTarget / std::max(seconds, 1e-6) * 1.2, 2.0, 16.0));
  }
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRuns; ++i) {
    WEFT_ASSIGN(const double seconds, run(rounds));
    best = std::min(best, seconds);
  }
  return work_a_round * rounds / best;
}

Result<double> best_seconds(const std::function<Result<double>()>& run) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i <= kRuns; ++i) {
    WEFT_ASSIGN(const double seconds, run());
    if (i > 0) best = std::min(best, seconds);  // the first one compiles
  }
  return best;
}

Result<Ceiling> fma(PeakDevice& device, const PeakBuffer& out, const char* id,
                    std::span<const uint32_t> spirv, int width) {
  WEFT_ASSIGN(const VkPipeline pipeline, device.pipeline(spirv));
  const double flops = 2.0 * kChains * kSteps * width * kGroups * kLocal;
  WEFT_ASSIGN(const double rate, best_rate(flops, [&](uint32_t rounds) {
                return device.dispatch(pipeline, {.to = out.address, .rounds = rounds}, kGroups);
              }));
  return Ceiling{id, rate, "flop/s",
                 "12 chains of vectors of " + std::to_string(width) + " in every invocation"};
}

std::string text_of(const MatrixShape& s) {
  return std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k);
}

Result<Ceiling> matrix(PeakDevice& device, const DeviceTraits& traits, const PeakBuffer& out,
                       const MatrixShape& shape) {
  const uint32_t subgroup = traits.subgroup_size;
  WEFT_ASSIGN(const VkPipeline pipeline,
              device.pipeline(matrix_spirv, {subgroup, shape.m, shape.n, shape.k},
                              traits.subgroup_size_control ? subgroup : 0));
  const double flops = 2.0 * shape.m * shape.n * shape.k * kProducts * kGroups;
  WEFT_ASSIGN(const double rate, best_rate(flops, [&](uint32_t rounds) {
                return device.dispatch(
                    pipeline, {.from = out.address, .to = out.address, .rounds = rounds}, kGroups);
              }));
  return Ceiling{
      "matrix_f16_f32", rate, "flop/s",
      text_of(shape) + ", 4 accumulators in every subgroup of " + std::to_string(subgroup)};
}

// The best of the shapes; none where the device has none.
Result<std::vector<Ceiling>> best_matrix(PeakDevice& device, const DeviceTraits& traits,
                                         const PeakBuffer& out) {
  std::vector<Ceiling> best;
  for (const MatrixShape& shape : traits.matrix_shapes) {
    if (shape.scope != MatrixScope::subgroup || shape.input != MatrixElement::f16 ||
        shape.accumulator != MatrixElement::f32 || shape.m * shape.n > 1024)
      continue;
    WEFT_ASSIGN(const Ceiling made, matrix(device, traits, out, shape));
    if (best.empty() || made.value > best[0].value) best = {made};
  }
  return best;
}

struct Stream {
  const char* id;
  double bytes;  // that a run moves, for each byte of the buffer
  std::string how;
  std::function<Result<double>()> run;
};

// The fastest of some ways to copy, and of some to read.
Result<std::vector<Ceiling>> memory(PeakDevice& device, uint64_t bytes) {
  WEFT_ASSIGN(const PeakBuffer from, device.buffer(bytes));
  WEFT_ASSIGN(const PeakBuffer to, device.buffer(bytes));
  std::vector<Stream> streams{
      {"copy", 2, "the driver's copy", [&] { return device.copy(from, to, bytes); }}};
  const auto add = [&](const char* id, double counts, std::span<const uint32_t> spirv,
                       uint32_t word) -> Result<void> {
    WEFT_ASSIGN(const VkPipeline pipeline, device.pipeline(spirv));
    const uint32_t rounds = counts == 2 ? kCopies : kReads;
    const auto groups = static_cast<uint32_t>(bytes / word / kLocal / rounds);
    if (groups > 65535) return {};  // all that some devices take
    streams.push_back(
        {id, counts, "a kernel, " + std::to_string(word) + " bytes an access", [=, &device] {
           return device.dispatch(
               pipeline, {.from = from.address, .to = to.address, .rounds = rounds}, groups);
         }});
    return {};
  };
  WEFT_TRY(add("copy", 2, copy_16_spirv, 16));
  WEFT_TRY(add("copy", 2, copy_4_spirv, 4));
  WEFT_TRY(add("read", 1, read_16_spirv, 16));
  WEFT_TRY(add("read", 1, read_4_spirv, 4));
  std::vector<Ceiling> best{{"copy", 0, "byte/s", ""}, {"read", 0, "byte/s", ""}};
  for (const Stream& stream : streams) {
    WEFT_ASSIGN(const double seconds, best_seconds(stream.run));
    const double rate = stream.bytes * static_cast<double>(bytes) / seconds;
    Ceiling& one = best[stream.id == best[0].id ? 0 : 1];
    if (rate > one.value)
      one = {stream.id, rate, "byte/s", std::to_string(bytes >> 20) + " MiB, " + stream.how};
  }
  return best;
}

}  // namespace

Result<std::vector<Ceiling>> measure_ceilings(const DeviceTraits& traits) {
  PeakDevice device;
  WEFT_TRY(device.open(traits));
  std::vector<Ceiling> all;
  WEFT_ASSIGN(const PeakBuffer out, device.buffer(uint64_t{4} * kGroups * 1024));
  WEFT_ASSIGN(const Ceiling single, fma(device, out, "fma_f32", fma_f32_spirv, 1));
  all.push_back(single);
  if (traits.shader_float16) {
    WEFT_ASSIGN(const Ceiling half, fma(device, out, "fma_f16", fma_f16_spirv, 2));
    all.push_back(half);
  }
  WEFT_ASSIGN(const std::vector<Ceiling> matrices, best_matrix(device, traits, out));
  all.insert(all.end(), matrices.begin(), matrices.end());
  const bool cpu = traits.type == DeviceType::cpu;
  WEFT_ASSIGN(const std::vector<Ceiling> streams,
              memory(device, cpu ? kMemoryBytesCpu : kMemoryBytes));
  all.insert(all.end(), streams.begin(), streams.end());
  return all;
}

}  // namespace weft::bench
