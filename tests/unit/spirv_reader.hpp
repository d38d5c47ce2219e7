// Names, member offsets and constant ids of a SPIR-V module: as much as comparing them with C++
// takes.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weft::test {

struct SpirvMember {
  std::string name;
  uint32_t offset = UINT32_MAX;  // UINT32_MAX: not decorated
};

struct SpirvStruct {
  std::string name;
  std::vector<SpirvMember> members;
};

class SpirvReader {
 public:
  explicit SpirvReader(std::span<const uint32_t> words) {
    if (words.size() < kHeaderWords || words[0] != kMagic) return;
    valid_ = true;
    for (size_t at = kHeaderWords; at < words.size();) {
      const uint32_t length = words[at] >> 16;
      if (length == 0 || at + length > words.size()) {
        valid_ = false;
        return;
      }
      read(words[at] & 0xffff, words.subspan(at + 1, length - 1));
      at += length;
    }
  }

  bool valid() const { return valid_; }
  // Numbers of the capabilities that the module needs.
  const std::set<uint32_t>& capabilities() const { return capabilities_; }
  // Numbers of the built-in variables that it declares.
  const std::set<uint32_t>& built_ins() const { return built_ins_; }
  // Whether a variable lies in workgroup memory.
  bool shares_memory() const { return shares_memory_; }
  // Structures of this name that lie in memory (their members have offsets).
  std::vector<SpirvStruct> structs(const std::string& name) const {
    std::vector<SpirvStruct> found;
    for (const auto& [id, count] : struct_sizes_) {
      if (!names_.contains(id) || names_.at(id) != name) continue;
      SpirvStruct type{name, {}};
      for (uint32_t i = 0; i < count; ++i)
        if (const auto member = members_.find({id, i}); member != members_.end())
          type.members.push_back(member->second);
      if (type.members.size() == count && count > 0 && type.members[0].offset != UINT32_MAX)
        found.push_back(std::move(type));
    }
    return found;
  }
  // Names of the specialization constants with each id; those without a name are left out.
  std::map<uint32_t, std::set<std::string>> constants() const {
    std::map<uint32_t, std::set<std::string>> found;
    for (const auto& [id, spec_id] : spec_ids_) {
      std::set<std::string>& names = found[spec_id];
      if (names_.contains(id)) names.insert(names_.at(id));
    }
    return found;
  }

 private:
  static constexpr uint32_t kMagic = 0x07230203;
  static constexpr size_t kHeaderWords = 5;
  static constexpr uint32_t kOpName = 5, kOpMemberName = 6, kOpTypeStruct = 30;
  static constexpr uint32_t kOpDecorate = 71, kOpMemberDecorate = 72;
  static constexpr uint32_t kOpCapability = 17, kOpVariable = 59;
  static constexpr uint32_t kSpecId = 1, kBuiltIn = 11, kOffset = 35, kWorkgroup = 4;

  static std::string string_at(std::span<const uint32_t> words) {
    std::string out;
    for (const uint32_t word : words)
      for (uint32_t shift = 0; shift < 32; shift += 8) {
        const char letter = static_cast<char>(word >> shift & 0xff);
        if (letter == 0) return out;
        out += letter;
      }
    return out;
  }

  void read(uint32_t opcode, std::span<const uint32_t> operands) {
    if (opcode == kOpCapability) capabilities_.insert(operands[0]);
    if (opcode == kOpVariable && operands[2] == kWorkgroup) shares_memory_ = true;
    if (opcode == kOpName) names_[operands[0]] = string_at(operands.subspan(1));
    if (opcode == kOpMemberName)
      members_[{operands[0], operands[1]}].name = string_at(operands.subspan(2));
    if (opcode == kOpTypeStruct)
      struct_sizes_[operands[0]] = static_cast<uint32_t>(operands.size() - 1);
    if (opcode == kOpDecorate && operands[1] == kSpecId) spec_ids_[operands[0]] = operands[2];
    if (opcode == kOpDecorate && operands[1] == kBuiltIn) built_ins_.insert(operands[2]);
    if (opcode == kOpMemberDecorate && operands[2] == kOffset)
      members_[{operands[0], operands[1]}].offset = operands[3];
  }

  bool valid_ = false;
  bool shares_memory_ = false;
  std::set<uint32_t> capabilities_, built_ins_;
  std::map<uint32_t, std::string> names_;
  std::map<uint32_t, uint32_t> struct_sizes_;  // id to member count
  std::map<std::pair<uint32_t, uint32_t>, SpirvMember> members_;
  std::map<uint32_t, uint32_t> spec_ids_;
};

}  // namespace weft::test
