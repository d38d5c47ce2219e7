// Threads that stay: starting some for each product would be measured too.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weft::bench {

class Workers {
 public:
  explicit Workers(int threads) {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this] { serve(); });
  }
  ~Workers() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // Calls task(i) for every i below count, on all threads and the caller's.
  void for_each(int count, const std::function<void(int)>& task) {
    {
      std::lock_guard lock(mutex_);
      task_ = &task;
      count_ = count;
      next_ = 0;
      working_ = static_cast<int>(threads_.size());
      ++turn_;
    }
    wake_.notify_all();
    work(task);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return working_ == 0; });
  }

 private:
  void work(const std::function<void(int)>& task) {
    for (int i = next_++; i < count_; i = next_++) task(i);
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (int seen = 0;;) {
      wake_.wait(lock, [&] { return stop_ || turn_ != seen; });
      if (stop_) return;
      seen = turn_;
      const std::function<void(int)>& task = *task_;
      lock.unlock();
      work(task);
      lock.lock();
      if (--working_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int)>* task_ = nullptr;
  std::atomic<int> next_ = 0;
  int count_ = 0;
  int working_ = 0;
  int turn_ = 0;
  bool stop_ = false;
};

}  // namespace weft::bench
