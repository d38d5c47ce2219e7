#include "page_checks.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace weft::report {
namespace {

constexpr std::string_view kSpace = " \t\n";

// Walks a page once, tag by tag.
class Checker {
 public:
  explicit Checker(std::string_view page) : rest_(page) {}

  std::vector<std::string> run() {
    if (!rest_.starts_with("<!DOCTYPE html>")) fault("no document type");
    rest_.remove_prefix(std::min(rest_.find('>') + 1, rest_.size()));
    while (!rest_.empty()) {
      const std::size_t tag = std::min(rest_.find('<'), rest_.size());
      check_text(rest_.substr(0, tag));
      rest_.remove_prefix(tag);
      if (!rest_.empty()) take_tag();
    }
    for (const std::string& name : open_) fault("not closed: " + name);
    for (const std::string& link : links_) {
      if (!identifiers_.contains(link)) fault("links to nowhere: " + link);
    }
    return std::move(faults_);
  }

 private:
  void fault(std::string what) { faults_.push_back(std::move(what)); }

  void check_text(std::string_view text) {
    constexpr std::array<std::string_view, 5> kReferences = {"&amp;", "&lt;", "&gt;", "&quot;",
                                                             "&#39;"};
    for (std::size_t at = text.find('&'); at != text.npos; at = text.find('&', at + 1)) {
      const bool known = std::ranges::any_of(
          kReferences, [&](auto reference) { return text.substr(at).starts_with(reference); });
      if (!known) fault("stray &: " + std::string(text.substr(at, 20)));
    }
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20 && kSpace.find(c) == kSpace.npos) {
        fault("a control character");
      }
    }
  }

  // Where the tag ends: at the first > outside quotes.
  std::size_t end_of_tag() const {
    bool quoted = false;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') quoted = !quoted;
      if (rest_[i] == '<') return rest_.npos;
      if (rest_[i] == '>' && !quoted) return i;
    }
    return rest_.npos;
  }

  void take_tag() {
    const std::size_t end = end_of_tag();
    if (end == rest_.npos) {
      fault("a tag without an end: " + std::string(rest_.substr(0, 40)));
      rest_ = {};
      return;
    }
    std::string_view tag = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (tag.starts_with("/")) {
      close(std::string(tag.substr(1)));
      return;
    }
    const bool empty = tag.ends_with("/");
    if (empty) tag.remove_suffix(1);
    const std::size_t name_end = std::min(tag.find_first_of(kSpace), tag.size());
    const std::string name(tag.substr(0, name_end));
    check_attributes(tag.substr(name_end));
    if (!empty) open_.push_back(name);
  }

  void close(const std::string& name) {
    if (open_.empty() || open_.back() != name) {
      fault("closes " + name + " inside " + (open_.empty() ? "nothing" : open_.back()));
    } else {
      open_.pop_back();
    }
  }

  void check_attributes(std::string_view text) {
    std::set<std::string> names;
    while (true) {
      text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
      if (text.empty()) return;
      const std::size_t equals = text.find("=\"");
      const std::size_t end = equals == text.npos ? text.npos : text.find('"', equals + 2);
      if (end == text.npos) return fault("an attribute without quotes: " + std::string(text));
      const std::string name(text.substr(0, equals));
      const std::string_view value = text.substr(equals + 2, end - equals - 2);
      if (!names.insert(name).second) fault("given twice: " + name);
      check_text(value);
      if (name == "id" && !identifiers_.insert(std::string(value)).second) {
        fault("an identifier given twice: " + std::string(value));
      }
      if (name == "href") links_.emplace_back(value.substr(std::min<std::size_t>(1, value.size())));
      text.remove_prefix(end + 1);
    }
  }

  std::string_view rest_;
  std::vector<std::string> open_, links_, faults_;
  std::set<std::string> identifiers_;
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string plain(std::string_view html) {
  std::string out;
  bool inside = false;
  for (const char c : html) {
    if (c == '<') inside = true;
    if (!inside) out += c;
    if (c == '>') inside = false;
  }
  for (const auto& [from, to] : std::array<std::pair<const char*, const char*>, 5>{
           {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}}}) {
    replace_all(out, from, to);
  }
  return out;
}

}  // namespace

std::vector<std::string> faults_of(std::string_view page) { return Checker(page).run(); }

std::vector<std::string> texts_of(std::string_view page, std::string_view element) {
  const std::string open = "<" + std::string(element);
  const std::string close = "</" + std::string(element) + ">";
  std::vector<std::string> texts;
  for (std::size_t at = page.find(open); at != page.npos; at = page.find(open, at + 1)) {
    const char after = page[at + open.size()];
    if (after != '>' && after != ' ') continue;
    const std::size_t start = page.find('>', at) + 1;
    texts.push_back(plain(page.substr(start, page.find(close, start) - start)));
  }
  return texts;
}

std::size_t count_in(std::string_view page, std::string_view piece) {
  std::size_t count = 0;
  for (std::size_t at = page.find(piece); at != page.npos; at = page.find(piece, at + 1)) ++count;
  return count;
}

}  // namespace weft::report
