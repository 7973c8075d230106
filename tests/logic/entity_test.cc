// A timeline in memory: durable, pending, and the oldest row; a user's membership.
#include <doctest/doctest.h>

#include "logic/entity.h"

namespace ims::logic {

TEST_CASE("Timeline: rows are pending, then durable; a failed batch drops them") {
  Timeline timeline;
  timeline.adopt({7, 42}, {.head = 10, .first_seq = 4, .first_time_ms = -5, .last_time_ms = 100});
  CHECK(timeline.key() == TimelineKey{7, 42});
  CHECK(timeline.durable().first_time_ms == -5);
  CHECK(timeline.row_count() == 7);
  std::int64_t time_ms = 90;  // the clock went back
  CHECK(timeline.append(time_ms) == 11);
  CHECK(time_ms == 100);
  time_ms = 130;
  CHECK(timeline.append(time_ms) == 12);
  CHECK(time_ms == 130);
  CHECK(timeline.head() == 10);
  CHECK(timeline.pending().head == 12);
  CHECK(timeline.row_count() == 9);
  timeline.commit(11, 100);
  CHECK(timeline.durable().head == 11);
  CHECK(timeline.pending_head() == 12);
  timeline.drop_pending();
  CHECK(timeline.pending_head() == 11);
  CHECK(timeline.first_seq() == 4);
}

TEST_CASE("Timeline: the oldest row, where there is one") {
  Timeline timeline;
  timeline.adopt({0, 1}, {});
  std::int64_t time_ms = 1'700'000'000'000;
  CHECK(timeline.append(time_ms) == 1);
  CHECK(timeline.pending().first_time_ms == 1'700'000'000'000);
  timeline.drop_pending();
  CHECK(timeline.pending().first_time_ms == 0);
  timeline.append(time_ms);
  timeline.commit(1, time_ms);
  timeline.take_first_seq({.head = 1, .first_seq = 2, .first_time_ms = 0, .last_time_ms = 0}, 9);
  CHECK(timeline.first_seq() == 2);
  CHECK(timeline.row_count() == 0);
  CHECK(timeline.durable().first_time_ms == 0);
  // Rows that came while the search ran are younger than what it looked at.
  timeline.append(time_ms);
  timeline.append(time_ms);
  timeline.take_first_seq({.head = 2, .first_seq = 9, .first_time_ms = 0, .last_time_ms = 0}, 77);
  CHECK(timeline.first_seq() == 3);
  CHECK(timeline.pending().first_time_ms == 77);
  // It never goes back.
  timeline.take_first_seq({.head = 3, .first_seq = 2, .first_time_ms = 5, .last_time_ms = 0}, 9);
  CHECK(timeline.first_seq() == 3);
}

TEST_CASE("Mine: a membership, and how it ended") {
  const MineRow active{GroupId{5}, 3, 0, 0};
  Mine mine("a-name-of-more-than-15-bytes", active);
  CHECK(mine.group_name() == "a-name-of-more-than-15-bytes");
  CHECK_FALSE(mine.ended());
  CHECK(mine.row().join_seq == 3);
  CHECK(mine.row().end_seq == 0);
  mine.set({GroupId{5}, 3, 9, 1234});
  CHECK(mine.ended());
  CHECK(mine.row().end_seq == 9);
  CHECK(mine.row().end_time_ms == 1234);
  mine.set(active);
  CHECK_FALSE(mine.ended());
}

}  // namespace ims::logic
