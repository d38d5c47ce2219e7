// Indexes of checkpoints: no file outside the index's own folder is ever named.
#include "fuzz.hpp"
#include "io/checkpoint_index.hpp"

namespace weft::fuzz {

bool accepts(std::span<const std::byte> input) {
  const auto map =
      io::parse_checkpoint_index({reinterpret_cast<const char*>(input.data()), input.size()});
  if (!map) {
    require_presentable(map.error().message);
    return false;
  }
  for (const auto& [tensor, shard] : *map) {
    require(shard.ends_with(".safetensors"), "a shard ends in .safetensors");
    require(shard.find_first_of("/\\:") == std::string::npos, "a shard lies in the index's folder");
    require(shard.find('\0') == std::string::npos, "a shard's name has no zero byte");
  }
  return true;
}

}  // namespace weft::fuzz
