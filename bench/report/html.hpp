// Text that is HTML, kept apart from text that is data.
#pragma once

#include <string>
#include <string_view>

namespace weft::report {

// Safe between tags and between double quotes: & < > " ' become references, control characters and
// what HTML and XML forbid become U+FFFD. Takes UTF-8.
std::string escape(std::string_view data);

// A piece of the page. raw() is for what stands in this program, text() for everything from
// outside.
class Html {
 public:
  Html& raw(std::string_view code) {
    code_ += code;
    return *this;
  }
  Html& text(std::string_view data) {
    code_ += escape(data);
    return *this;
  }
  Html& add(const Html& piece) { return raw(piece.code_); }
  const std::string& code() const { return code_; }
  bool empty() const { return code_.empty(); }

 private:
  std::string code_;
};

inline Html text(std::string_view data) { return Html().text(data); }

// Numbers for people: three significant digits and a unit.
std::string significant(double value, int digits = 3);
std::string show_plain(double value);                             // 8192, 0.5
std::string show_time(double ns);                                 // 6.21 ms
std::string show_rate(double per_s, std::string_view unit);       // 91.2 GFLOP/s
std::string show_bytes(double bytes);                             // 12.0 MiB
std::string show_percent(double share);                           // 0.713 -> 71 %
std::string show_times(double ratio);                             // 3.12×
std::string show_count(std::size_t count, std::string_view one);  // 2 cases

}  // namespace weft::report
