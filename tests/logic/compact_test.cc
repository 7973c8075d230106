// The two small containers of users and sessions, against std::vector and std::string.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "logic/compact_vector.h"
#include "logic/pointer_list.h"
#include "logic/short_text.h"

using ims::logic::CompactVector;
using ims::logic::KnownList;
using ims::logic::PointerList;
using ims::logic::ShortText;

TEST_CASE("CompactVector: one pointer, and what a vector does") {
  static_assert(sizeof(CompactVector<std::string>) == sizeof(void*));
  CompactVector<std::string> ours;
  std::vector<std::string> model;
  CHECK(ours.empty());
  CHECK(ours.begin() == ours.end());
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
  for (int step = 0; step < 20'000; ++step) {
    const std::string text = std::to_string(step) + std::string(below(40), 'x');
    switch (below(8)) {
      case 0:
      case 1:
        ours.push_back(text);
        model.push_back(text);
        break;
      case 2: {
        const auto at = static_cast<std::ptrdiff_t>(below(model.size() + 1));
        ours.insert(ours.begin() + at, text);
        model.insert(model.begin() + at, text);
        break;
      }
      case 3: {
        if (model.empty()) break;
        const auto at = static_cast<std::ptrdiff_t>(below(model.size()));
        CHECK(*ours.erase(ours.begin(), ours.begin()) == model.front());
        ours.erase(ours.begin() + at);
        model.erase(model.begin() + at);
        break;
      }
      case 4: {
        const auto first = static_cast<std::ptrdiff_t>(below(model.size() + 1));
        const auto last =
            first + static_cast<std::ptrdiff_t>(
                        below(model.size() + 1 - static_cast<std::size_t>(first)));
        ours.erase(ours.begin() + first, ours.begin() + last);
        model.erase(model.begin() + first, model.begin() + last);
        break;
      }
      case 5: {
        const std::size_t count = below(model.size() + 3);
        ours.resize(count);
        model.resize(count);
        break;
      }
      case 6:
        if (model.empty()) break;
        ours.pop_back();
        model.pop_back();
        break;
      case 7: {
        CompactVector<std::string> moved(std::move(ours));
        CHECK(ours.empty());
        ours = std::move(moved);
        if (below(50) == 0) {
          ours.clear();
          model.clear();
        }
        break;
      }
    }
    REQUIRE(ours.size() == model.size());
    REQUIRE(std::equal(ours.begin(), ours.end(), model.begin()));
  }
}

TEST_CASE("CompactVector: an element of its own may be appended while it grows") {
  CompactVector<std::string> list;
  list.push_back(std::string(50, 'a'));
  for (int i = 0; i < 10; ++i) list.emplace_back(list.front());
  for (const std::string& text : list) CHECK(text == std::string(50, 'a'));
  CHECK(list.size() == 11);
}

TEST_CASE("ShortText: every length around the one that fits") {
  for (std::size_t bytes = 0; bytes <= 300; ++bytes) {
    CAPTURE(bytes);
    std::string text(bytes, 'n');
    if (bytes > 0) text[bytes / 2] = '\0';
    ShortText short_text{std::string_view(text)};
    CHECK(short_text == std::string_view(text));
    CHECK(short_text.size() == bytes);
    CHECK(short_text.empty() == (bytes == 0));
    ShortText moved(std::move(short_text));
    CHECK(short_text.empty());
    CHECK(moved == std::string_view(text));
    short_text = std::string_view("other, and longer than fifteen");
    short_text = std::move(moved);
    CHECK(short_text == std::string_view(text));
    CHECK_FALSE(short_text == std::string_view(text + "n"));
    short_text = short_text.view();  // of itself
    CHECK(short_text == std::string_view(text));
  }
}

TEST_CASE("KnownList: unknown, known and empty, known") {
  static_assert(sizeof(KnownList<std::string>) == sizeof(void*));
  KnownList<std::string> list;
  CHECK(list == nullptr);
  CHECK(list->size() == 0);
  list.set({});
  CHECK_FALSE(list == nullptr);
  CHECK(list->empty());
  CHECK(list->capacity() == 0);
  list->push_back("one");
  list->push_back("two");
  list->push_back("three");
  CHECK(list->size() == 3);
  KnownList<std::string> other;  // knows nothing of what the first one holds
  other.set({});
  CHECK(other->empty());
  CompactVector<std::string> made;
  for (int i = 0; i < 5; ++i) made.push_back(std::to_string(i));
  other.set(std::move(made));
  CHECK(other->capacity() == 5);
  CHECK((*other)[4] == "4");
  list->clear();
  list.forget_room();
  CHECK(list->capacity() == 0);
  CHECK_FALSE(list == nullptr);
  list.reset();
  CHECK(list == nullptr);
}

TEST_CASE("PointerList: one pointer, and what a vector does") {
  static_assert(sizeof(PointerList<int>) == sizeof(void*));
  int items[6] = {};
  PointerList<int> ours;
  std::vector<int*> model;
  std::mt19937 random(5);
  for (int step = 0; step < 2'000; ++step) {
    if (model.size() < 6 && random() % 2 == 0) {
      int* item = items;
      while (std::find(model.begin(), model.end(), item) != model.end()) ++item;
      ours.push_back(item);
      model.push_back(item);
    } else if (!model.empty()) {
      int* const item = model[random() % model.size()];
      ours.erase(item);
      std::erase(model, item);
    }
    CHECK(ours.size() == model.size());
    CHECK(ours.empty() == model.empty());
    CHECK(std::equal(ours.begin(), ours.end(), model.begin(), model.end()));
  }
}
