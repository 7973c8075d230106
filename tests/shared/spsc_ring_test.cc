// SpscRing: order, full and empty, who owns an element when, and two threads at full speed.
#include "shared/spsc_ring.h"

#include <doctest/doctest.h>

#include <memory>
#include <thread>

#include "shared/prng.h"

namespace ims {
namespace {

// Counts itself: alive = constructed - destroyed, with and without a value.
struct Counted {
  static inline int alive = 0;
  static inline int holding = 0;

  int value = 0;

  explicit Counted(int v) : value(v) { ++alive, ++holding; }
  Counted(Counted&& other) noexcept : value(other.value) {
    ++alive;
    other.value = 0;
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    --alive;
    if (value != 0) --holding;
  }
};

TEST_CASE("spsc_ring: first in, first out, over many rounds of every capacity") {
  for (const std::size_t capacity : {1u, 2u, 4u, 64u}) {
    INFO(capacity);
    SpscRing<int> ring(capacity);
    CHECK(ring.capacity() == capacity);
    int pushed = 0;
    int popped = 0;
    Prng prng(capacity);
    for (int step = 0; step < 10'000; ++step) {
      if (prng.chance(50)) {
        const bool had_room = static_cast<std::size_t>(pushed - popped) < capacity;
        REQUIRE(ring.try_push(pushed) == had_room);
        if (had_room) ++pushed;
      } else {
        const std::optional<int> value = ring.try_pop();
        REQUIRE(value.has_value() == (popped < pushed));
        if (value) REQUIRE(*value == popped++);
      }
      REQUIRE(ring.size_approx() == static_cast<std::size_t>(pushed - popped));
      REQUIRE(ring.empty() == (pushed == popped));
    }
    CHECK(pushed > 1000);
  }
}

TEST_CASE(
    "spsc_ring: full at the capacity, one below, at and above; a refused value is untouched") {
  SpscRing<std::unique_ptr<int>> ring(4);
  for (int i = 0; i < 3; ++i) CHECK(ring.try_push(std::make_unique<int>(i)));  // one below
  CHECK(ring.try_push(std::make_unique<int>(3)));                              // at
  auto refused = std::make_unique<int>(4);
  CHECK_FALSE(ring.try_push(refused));  // above
  REQUIRE(refused != nullptr);
  CHECK(*refused == 4);
  CHECK(**ring.try_pop() == 0);
  CHECK(ring.try_push(refused));
  CHECK(refused == nullptr);
  for (int i = 1; i <= 4; ++i) CHECK(**ring.try_pop() == i);
  CHECK_FALSE(ring.try_pop().has_value());
}

TEST_CASE("spsc_ring: every element is destroyed once, popped or not") {
  {
    SpscRing<Counted> ring(8);
    for (int i = 1; i <= 6; ++i) CHECK(ring.try_push(Counted(i)));
    CHECK(Counted::alive == 6);
    CHECK(Counted::holding == 6);
    for (int i = 1; i <= 4; ++i) {
      const std::optional<Counted> value = ring.try_pop();
      CHECK(value->value == i);
      CHECK(Counted::alive == 7 - i);  // those inside, and this one
    }
    for (int i = 7; i <= 10; ++i) CHECK(ring.try_push(Counted(i)));  // wraps
    CHECK(Counted::alive == 6);
  }
  CHECK(Counted::alive == 0);
  CHECK(Counted::holding == 0);
}

TEST_CASE("spsc_ring: two threads, every value once and in order") {
  constexpr std::uint64_t kValues = 1'000'000;
  for (const std::size_t capacity : {1u, 2u, 1024u}) {
    INFO(capacity);
    SpscRing<std::uint64_t> ring(capacity);
    // Capacity 1 takes a hand-over between two threads for each value.
    const std::uint64_t values = capacity < 16 ? kValues / 10 : kValues;
    std::thread producer([&] {
      for (std::uint64_t i = 0; i < values; ++i) {
        while (!ring.try_push(i)) std::this_thread::yield();
      }
    });
    std::uint64_t expected = 0;
    std::uint64_t wrong = 0;
    while (expected < values) {
      if (const auto value = ring.try_pop()) {
        if (*value != expected) ++wrong;
        ++expected;
      } else {
        std::this_thread::yield();
      }
    }
    producer.join();
    CHECK(wrong == 0);
    CHECK(ring.empty());
  }
}

TEST_CASE("spsc_ring: two threads, what an element points to comes across with it") {
  constexpr int kValues = 200'000;
  SpscRing<std::unique_ptr<int>> ring(64);
  std::thread producer([&] {
    for (int i = 0; i < kValues; ++i) {
      auto value = std::make_unique<int>(i);  // written here, read there, freed there
      while (!ring.try_push(value)) std::this_thread::yield();
    }
  });
  int wrong = 0;
  for (int i = 0; i < kValues;) {
    const auto value = ring.try_pop();
    if (!value) {
      std::this_thread::yield();
      continue;
    }
    wrong += **value != i++;
  }
  producer.join();
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace ims
