// From recorded operations to a program: levels, transient memory, argument blocks, commands.
#include <algorithm>
#include <map>
#include <numeric>

#include "schedule/plan.hpp"
#include "schedule/recorder_state.hpp"
#include "vulkan/device.hpp"

namespace weft::schedule {
namespace {

constexpr uint64_t kTransientAlignmentBytes = 256;
constexpr uint64_t kArgsAlignmentBytes = 16;

using BufferPtr = std::shared_ptr<vulkan::BufferState>;

// A buffer for the search for hazards: buffers that share memory are parts of one.
struct Place {
  uint32_t memory = 0;
  uint64_t offset_bytes = 0;
};

struct Compiler {
  RecorderState& recorder;
  const Destination& destination;
  std::vector<Operation>& operations;
  std::map<const vulkan::BufferState*, uint32_t> numbers;
  std::vector<BufferPtr> buffers;  // by number
  std::vector<Place> places;       // of each buffer
  std::vector<uint32_t> level;     // of each operation
  std::map<const vulkan::BufferState*, uint64_t> transient_offsets;
  uint64_t transient_bytes = 0;
  uint64_t transient_bytes_summed = 0;
  BufferPtr arena;  // of transient tensors
  BufferPtr args;   // of argument blocks

  Compiler(RecorderState& state, const Destination& destination)
      : recorder(state), destination(destination), operations(state.operations) {}

  vulkan::DeviceState& device() { return *recorder.device.state(); }

  void number_buffers() {
    for (const Operation& operation : operations)
      for (const Access& access : operation.accesses)
        if (numbers.emplace(access.buffer.get(), static_cast<uint32_t>(buffers.size())).second)
          buffers.push_back(access.buffer);
  }

  // Wrapped memory may be wrapped more than once: buffers are told apart by their addresses.
  void find_places() {
    std::vector<uint32_t> order(buffers.size());
    std::iota(order.begin(), order.end(), 0u);
    const auto address = [&](uint32_t i) { return vulkan::address_of(*buffers[i]); };
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return address(a) < address(b); });
    places.resize(buffers.size());
    uint32_t memory = 0;  // the first buffer of the memory that is being filled, up to `end`
    uint64_t end = 0;
    for (const uint32_t i : order) {
      const bool has_address = address(i) != 0;  // transient tensors have none
      if (!has_address || address(i) >= end) memory = i;
      places[i] = {memory, has_address ? address(i) - address(memory) : 0};
      if (has_address) end = std::max(end, address(i) + vulkan::size_of(*buffers[i]));
    }
  }

  void find_levels() {
    std::vector<Node> nodes(operations.size());
    for (size_t i = 0; i < operations.size(); ++i)
      for (const Access& access : operations[i].accesses) {
        const auto& [memory, offset_bytes] = places[numbers[access.buffer.get()]];
        nodes[i].ranges.push_back(
            {memory, offset_bytes + access.begin, offset_bytes + access.end, access.write});
      }
    level = levels(nodes);
  }

  Result<void> place_transients() {
    std::vector<Lifetime> lifetimes;
    std::vector<const vulkan::BufferState*> owners;
    std::map<const vulkan::BufferState*, size_t> index;
    for (size_t i = 0; i < operations.size(); ++i) {
      for (const Access& access : operations[i].accesses) {
        const vulkan::BufferState* buffer = access.buffer.get();
        if (vulkan::recording_of(*buffer) == 0 || access.begin == access.end) continue;
        auto [found, first] = index.emplace(buffer, lifetimes.size());
        if (first) {
          if (!written_by(operations[i], buffer))
            return fail(Code::invalid_argument, std::string(operations[i].name) +
                                                    ": a transient tensor of " +
                                                    std::to_string(vulkan::size_of(*buffer)) +
                                                    " bytes must be written before it is read");
          // Here and not when they are summed: what fits one by one has a sum that does not wrap.
          const uint64_t most = recorder.device.traits().max_allocation_bytes;
          if (vulkan::size_of(*buffer) > most)
            return fail(Code::out_of_memory,
                        std::string(operations[i].name) + ": a transient tensor has " +
                            std::to_string(vulkan::size_of(*buffer)) +
                            " bytes, the device allows at most " + std::to_string(most));
          lifetimes.push_back({vulkan::size_of(*buffer), level[i], level[i]});
          owners.push_back(buffer);
        }
        Lifetime& life = lifetimes[found->second];
        life.first_level = std::min(life.first_level, level[i]);
        life.last_level = std::max(life.last_level, level[i]);
      }
    }
    const Placement placement = place(lifetimes, kTransientAlignmentBytes);
    for (size_t i = 0; i < owners.size(); ++i)
      transient_offsets[owners[i]] = placement.offsets_bytes[i];
    transient_bytes = placement.total_bytes;
    for (const Lifetime& life : lifetimes) transient_bytes_summed += life.bytes;
    if (transient_bytes == 0) return {};
    WEFT_ASSIGN(arena, vulkan::make_buffer(device(), transient_bytes, Memory::device));
    return {};
  }

  static bool written_by(const Operation& operation, const vulkan::BufferState* buffer) {
    bool reads = false, writes = false;
    for (const Access& access : operation.accesses)
      if (access.buffer.get() == buffer) (access.write ? writes : reads) = true;
    return writes && !reads;
  }

  uint64_t address(const AddressSlot& slot) const {
    const auto found = transient_offsets.find(slot.buffer.get());
    // An empty transient tensor has no place: its address stays 0 and is never followed.
    const uint64_t base = found == transient_offsets.end()
                              ? vulkan::address_of(*slot.buffer)
                              : vulkan::address_of(*arena) + found->second;
    return base + slot.offset_bytes;
  }

  // Every address is known now: fill them in.
  Result<void> write_addresses() {
    uint64_t args_bytes = 0;
    for (const Operation& operation : operations)
      args_bytes += (operation.args_block.size() + kArgsAlignmentBytes - 1) / kArgsAlignmentBytes *
                    kArgsAlignmentBytes;
    if (args_bytes > 0) {
      WEFT_ASSIGN(args, vulkan::make_buffer(device(), args_bytes, destination.args_memory));
    }
    std::vector<std::byte> blocks(args_bytes);
    uint64_t at = 0;
    for (Operation& operation : operations) {
      for (const AddressSlot& slot : operation.slots)
        store(operation.push_block.data() + slot.at, address(slot));
      if (operation.args_block.empty()) continue;
      const uint64_t block = vulkan::address_of(*args) + at;
      for (const auto& list : operation.lists)
        store(operation.push_block.data() + list.at, block + list.offset_bytes);
      for (const AddressSlot& slot : operation.args_slots)
        store(operation.args_block.data() + slot.at, address(slot));
      store(operation.push_block.data() + operation.args_at, block);
      std::memcpy(blocks.data() + at, operation.args_block.data(), operation.args_block.size());
      at += (operation.args_block.size() + kArgsAlignmentBytes - 1) / kArgsAlignmentBytes *
            kArgsAlignmentBytes;
    }
    return args ? vulkan::write_buffer(args, blocks) : Result<void>{};
  }

  static void store(std::byte* at, uint64_t address) { std::memcpy(at, &address, sizeof address); }

  using Groups = std::array<uint64_t, 3>;

  // As many workgroups of an operation as one submission may hold: the axis that has the most is cut first.
  Groups block_of(const Operation& operation) const {
    Groups block = operation.groups, axes{0, 1, 2};
    std::ranges::stable_sort(axes, [&](uint64_t a, uint64_t b) { return block[a] > block[b]; });
    double flops = operation.flops;
    for (const uint64_t axis : axes) {
      if (flops <= destination.max_flops) break;
      const auto whole = static_cast<double>(block[axis]);
      block[axis] = static_cast<uint64_t>(std::max(1.0, whole * (destination.max_flops / flops)));
      flops *= static_cast<double>(block[axis]) / whole;
    }
    return block;
  }

  // The parts of an operation, one by one, with their share of its arithmetic.
  template <class Visit>
  void for_each_part(const Operation& operation, const Visit& visit) const {
    const Groups& whole = operation.groups;
    if (operation.flops <= destination.max_flops) return visit(Groups{}, whole, operation.flops);
    const Groups block = block_of(operation);
    Groups base{};
    for (base[2] = 0; base[2] < whole[2]; base[2] += block[2])
      for (base[1] = 0; base[1] < whole[1]; base[1] += block[1])
        for (base[0] = 0; base[0] < whole[0]; base[0] += block[0]) {
          Groups groups{};
          double share = operation.flops;
          for (size_t axis = 0; axis < 3; ++axis) {
            groups[axis] = std::min(block[axis], whole[axis] - base[axis]);
            share *= static_cast<double>(groups[axis]) / static_cast<double>(whole[axis]);
          }
          visit(base, groups, share);
        }
  }

  // The operations by level, with a barrier between levels and cuts where a submission is full.
  std::vector<vulkan::Step> steps(std::vector<OperationTime>& names, uint32_t& barriers) {
    std::vector<size_t> order(operations.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return level[a] < level[b]; });
    std::vector<vulkan::Step> result;
    double flops = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      const Operation& operation = operations[order[i]];
      vulkan::Step step;
      step.pipeline = operation.pipeline;
      step.push = std::span(operation.push_block).first(operation.push_bytes);
      for_each_part(operation, [&](const Groups& base, const Groups& groups, double share) {
        for (size_t axis = 0; axis < 3; ++axis) {
          step.base[axis] = static_cast<uint32_t>(base[axis]);
          step.groups[axis] = static_cast<uint32_t>(groups[axis]);
        }
        step.cut_before = !result.empty() && flops + share > destination.max_flops;
        step.barrier_before = i > 0 && !step.continues &&
                              level[order[i]] != level[order[i - 1]] && !step.cut_before;
        flops = step.cut_before ? share : flops + share;
        barriers += step.barrier_before;
        result.push_back(step);
        step.continues = true;
      });
      names.push_back(
          {operation.label.empty() ? operation.name : operation.name + (" " + operation.label),
           operation.kernel, 0, 0, operation.flops, operation.bytes});
    }
    return result;
  }
};

Result<std::shared_ptr<ProgramState>> make_program(RecorderState& recorder,
                                                   const Destination& destination) {
  WEFT_TRY(vulkan::check_not_lost(*recorder.device.state(), "program"));
  if (destination.timestamps && recorder.device.traits().timestamp_period_ns == 0)
    return fail(Code::unsupported, "program: timestamps are asked for, but " +
                                       recorder.device.traits().name +
                                       " has none on its compute queue");
  Compiler compiler(recorder, destination);
  compiler.number_buffers();
  compiler.find_places();
  compiler.find_levels();
  WEFT_TRY(compiler.place_transients());
  WEFT_TRY(compiler.write_addresses());

  auto program = std::make_shared<ProgramState>();
  program->timestamps = destination.timestamps;
  const auto steps = compiler.steps(program->operations, program->stats.barriers);
  WEFT_ASSIGN(program->commands, destination.record(compiler.device(), steps));
  program->stats.operations = static_cast<uint32_t>(program->operations.size());
  program->stats.submissions = program->commands ? vulkan::submissions(*program->commands) : 0;
  program->stats.transient_bytes = compiler.transient_bytes;
  program->stats.transient_bytes_summed = compiler.transient_bytes_summed;
  for (BufferPtr& buffer : compiler.buffers)
    if (vulkan::recording_of(*buffer) == 0) program->buffers.push_back(std::move(buffer));
  for (BufferPtr* own : {&compiler.arena, &compiler.args})
    if (*own) program->buffers.push_back(std::move(*own));
  return program;
}

}  // namespace

Result<std::shared_ptr<ProgramState>> compile(RecorderState& recorder,
                                              const Destination& destination) {
  auto program = make_program(recorder, destination);
  recorder.clear();
  return program;
}

}  // namespace weft::schedule
