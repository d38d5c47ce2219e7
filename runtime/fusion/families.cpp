// The list of families, and the blocks that a source holds.
#include "weft/families.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "fusion/families/diffusion.hpp"
#include "fusion/families/language.hpp"
#include "fusion/families/resolve.hpp"
#include "fusion/families/vision.hpp"
#include "fusion/families/vision_language.hpp"

namespace weft {
namespace family {
namespace {

constexpr FamilyTable kTables[] = {
    kBart,
    kBlip,
    kBlip2Qformer,
    kBlip2QformerLavis,
    kClip,
    kCoca,
    kDetr,
    kDetrOriginal,
    kIdefics,
    kIpAdapter,
    kLlama32Vision,
    kLxmert,
    kMarian,
    kMbart,
    kOpenFlamingo,
    kPerceiver,
    kPerceiverResampler,
    kPixart,
    kRetro,
    kSamTwoWay,
    kStableDiffusion,
    kStableDiffusionXl,
    kT5,
    kWhisper,
    kWhisperOpenai,
};
static_assert(std::ranges::is_sorted(kTables, {}, [](const FamilyTable& table) {
  return std::string_view(table.info.name);
}));

constexpr auto kInfos = [] {
  std::array<FamilyInfo, std::size(kTables)> infos{};
  std::ranges::transform(kTables, infos.begin(), &FamilyTable::info);
  return infos;
}();

// A family's reading of a block, and how good it is: smaller ranks are better.
struct Reading {
  Found found;
  std::tuple<size_t, size_t, int> rank;
};

Reading read(const Names& names, const FamilyTable& table, const std::string& prefix) {
  Reading reading{resolve(names, table, prefix), {}};
  const Found& found = reading.found;
  reading.rank = {found.missing.size() + found.wrong.size() + found.unexpected,
                  SIZE_MAX - found.tensors, -evidence(names, found)};
  return reading;
}

FoundBlock to_block(Reading&& reading) {
  const HeadCounts counts = head_counts(reading.found, {});
  const Letters& letters = reading.found.letters;
  return {.family = reading.found.table->info.name,
          .prefix = std::move(reading.found.prefix),
          .heads = counts.heads,
          .kv_heads = counts.kv_heads,
          .dim = letters['D'],
          .context_dim = letters['C'] > 0 ? letters['C'] : letters['D'],
          .head_dim = counts.heads > 0 ? query_width(letters) / counts.heads : 0,
          .missing = std::move(reading.found.missing),
          .wrong = std::move(reading.found.wrong)};
}

}  // namespace

std::span<const FamilyTable> tables() noexcept { return kTables; }

}  // namespace family

std::span<const FamilyInfo> families() noexcept { return family::kInfos; }

std::vector<FoundBlock> find_blocks(const TensorSource& source) {
  using namespace family;
  const Names names(source);
  // What reads the same block: the same prefix and the same first tensor.
  std::map<std::pair<std::string, std::string_view>, std::vector<Reading>> readings;
  for (const FamilyTable& table : tables())
    for (const std::string& prefix : prefixes(names, table))
      readings[{prefix, anchor(table).name}].push_back(read(names, table, prefix));
  std::vector<FoundBlock> blocks;
  for (auto& [place, rivals] : readings) {
    const auto best = std::ranges::min_element(rivals, {}, &Reading::rank)->rank;
    for (Reading& reading : rivals)
      if (reading.rank == best) blocks.push_back(to_block(std::move(reading)));
  }
  std::ranges::stable_sort(blocks, natural_less, &FoundBlock::prefix);
  return blocks;
}

}  // namespace weft
