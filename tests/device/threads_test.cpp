// Devices, plans, programs and the app's queue used by several threads at once. Also built with the
// thread sanitizer (preset tsan).
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>
#include <thread>

#include "device/host_app.hpp"

using namespace weft;
using namespace weft::test;

namespace {

constexpr int kThreads = 4, kRounds = 6;
constexpr int64_t kCount = 64;

// Runs `work(thread)` on all threads at once; how many of them said that all went well.
template <class Work>
int at_once(const Work& work) {
  std::atomic<int> good{0}, ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      good += work(i);
    });
  for (auto& thread : threads) thread.join();
  return good;
}

Result<Tensor> filled(const Device& device, const Dims& shape, float value) {
  WEFT_ASSIGN(Tensor tensor, device.tensor(DType::f32, shape));
  WEFT_TRY(
      device.upload(tensor, std::vector<float>(static_cast<size_t>(tensor.elements()), value)));
  return tensor;
}

// Attention over equal values gives that value. The shape differs by `kind`, so that some threads
// plan the same kernel and others another one.
Result<bool> attend(const Device& device, int kind, float value) {
  const int64_t dim = kind % 2 == 0 ? 8 : 12, keys = 5 + kind;
  AttentionCall call;
  WEFT_ASSIGN(call.query, filled(device, {1, 2, 3, dim}, 0.1f));
  WEFT_ASSIGN(call.key, filled(device, {1, 2, keys, dim}, 0.2f));
  WEFT_ASSIGN(call.value, filled(device, {1, 2, keys, dim}, value));
  WEFT_ASSIGN(call.output, device.tensor(DType::f32, {1, 2, 3, dim}));
  Recorder recorder(device);
  WEFT_TRY(attention(recorder, call));
  WEFT_ASSIGN(const Ticket ticket, recorder.submit());
  WEFT_TRY(ticket.wait());
  WEFT_ASSIGN(const std::vector<float> output, device.download<float>(call.output));
  for (float element : output)
    if (std::abs(element - value) > 1e-5f * value) return false;
  return true;
}

bool all_rounds(const Device& device, int thread) {
  for (int round = 0; round < kRounds; ++round) {
    const auto good = attend(device, thread + round, 1 + static_cast<float>(thread));
    if (!good || !*good) return false;
  }
  return true;
}

// A lock that notices two holders.
struct QueueGuard {
  std::mutex mutex;
  std::atomic<int> holders{0}, most{0}, times{0};
  void lock() {
    mutex.lock();
    most = std::max<int>(most, ++holders);
    ++times;
  }
  void unlock() {
    --holders;
    mutex.unlock();
  }
};

VulkanDevice guarded(const HostApp& host, QueueGuard& guard) {
  VulkanDevice given = host.app.to_adopt();
  given.lock_queue = [&guard] { guard.lock(); };
  given.unlock_queue = [&guard] { guard.unlock(); };
  return given;
}

}  // namespace

TEST_CASE("threads plan, record, submit and copy on one device") {
  const Device& shared = device();
  CHECK(at_once([&](int thread) { return all_rounds(shared, thread); }) == kThreads);
}

TEST_CASE("threads use devices of their own, opened and closed at once") {
  DeviceOptions options;
  options.without_direct_access = true;
  CHECK(at_once([&](int thread) {
          const auto own = Device::open(options);
          return own && all_rounds(*own, thread);
        }) == kThreads);
}

TEST_CASE("threads run one program") {
  const Device& shared = device();
  const Tensor x = must(filled(shared, {8, 8}, 2)), y = must(shared.tensor(DType::f32, {8, 8}));
  Recorder recorder(shared);
  const Tensor t = recorder.transient(DType::f32, {8, 8});
  record_add(recorder, x, x, t);
  record_add(recorder, t, x, y);
  const Program program = must(recorder.finish());
  CHECK(at_once([&](int) {
          for (int round = 0; round < kRounds; ++round) {
            const auto ticket = program.run();
            if (!ticket || !ticket->wait()) return false;
            const auto result = shared.download<float>(y);
            if (!result || *result != std::vector<float>(64, 6.0f)) return false;
          }
          return true;
        }) == kThreads);
}

TEST_CASE("threads, two adopted devices and the app share a queue under the app's lock") {
  HostApp host;
  QueueGuard guard;
  const Device devices[] = {must(adopt_device(guarded(host, guard))),
                            must(adopt_device(guarded(host, guard)))};
  const embed::AppBuffer in = host.buffer(kCount), out = host.buffer(kCount);
  fill(in, 3);
  Recorder recorder(devices[0]);
  record_add(recorder, wrapped(devices[0], in), wrapped(devices[0], in), wrapped(devices[0], out));
  host.begin();
  const ExternalRecording recording = must(record_into(recorder, host.app.commands));
  host.end();
  const int good = at_once([&](int thread) {
    if (thread > 0) return all_rounds(devices[thread % 2], thread);
    for (int round = 0; round < kRounds; ++round) {  // the app's own work
      std::lock_guard lock(guard);
      if (!host.app.submit_and_wait()) return false;
    }
    return true;
  });
  CHECK(good == kThreads);
  CHECK(guard.most == 1);
  CHECK(guard.holders == 0);
  CHECK(guard.times >= kRounds * kThreads);
  std::vector<float> expected = counting(kCount, 3);
  for (float& value : expected) value *= 2;
  CHECK(contents(out) == expected);
}

TEST_CASE("handles are dropped by other threads than made them") {
  std::array<std::optional<Device>, kThreads> devices;
  std::array<Tensor, kThreads> tensors;
  std::array<std::optional<Program>, kThreads> programs;
  CHECK(at_once([&](int thread) {
          const auto opened = Device::open();
          if (!opened) return false;
          const auto x = filled(*opened, {4, 4}, 1), y = opened->tensor(DType::f32, {4, 4});
          Recorder recorder(*opened);
          if (!x || !y || !add(recorder, {.left = *x, .right = *x, .output = *y})) return false;
          auto program = recorder.finish();
          if (!program || !program->run()) return false;
          devices[thread] = *opened;
          tensors[thread] = *y;
          programs[thread] = std::move(*program);
          return true;
        }) == kThreads);
  CHECK(at_once([&](int thread) {
          devices[(thread + 1) % kThreads].reset();
          programs[(thread + 2) % kThreads].reset();
          tensors[(thread + 3) % kThreads] = {};
          return true;
        }) == kThreads);
}
