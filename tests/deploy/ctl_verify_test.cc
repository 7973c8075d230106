// A store that is whole has no problems; each rule, broken by one change, is found by one sentence.
#include "deploy/ctl_verify.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>

#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store_identity.h"
#include "logic/store_memory.h"
#include "logic/tenant.h"
#include "shared/encode.h"
#include "shared/route.h"

namespace ims {
namespace {

using logic::Table;
using logic::TimelineKey;

constexpr std::int64_t kNow = 1'800'000'000'000;
constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kRetention = 7 * kDay;

// One app, user ann with five rows and a device, group g of ann with three rows.
struct Whole {
  Whole() {
    const logic::Tenant tenant{TenantId{7}, "o", "a", {{"", logic::AppKey::Alg::kHs256, "s"}}};
    seed = logic::open_identity(store).seed;
    ann = {partition_of(hash_of(NameKind::kUser, "ann")), 100};
    group = {partition_of(hash_of(NameKind::kGroup, "g")), 200};
    put(Table::kMeta, logic::tenant_key(TenantId{7}), logic::encode_tenant(tenant));
    user.id = UserId{100};
    user.inbox = {5, 1, kNow - kDay, kNow - kDay + 5};
    group_row.id = GroupId{200};
    group_row.timeline = {3, 1, kNow - kDay, kNow - kDay + 3};
    group_row.member_count = 1;
    put_heads();
    for (std::uint64_t seq = 1; seq <= 5; ++seq) put_row(ann, seq, kNow - kDay + seq_ms(seq));
    for (std::uint64_t seq = 1; seq <= 3; ++seq) put_row(group, seq, kNow - kDay + seq_ms(seq));
    put(Table::kMeta, logic::member_key(group, "ann"),
        logic::encode_member({Role::kOwner, false, 1}));
    put(Table::kMeta, logic::mine_key(ann, "g"), logic::encode_mine({GroupId{200}, 1, 0, 0}));
    put_cursor(100, 5);
    put_cursor(200, 3);
  }

  static std::int64_t seq_ms(std::uint64_t seq) { return static_cast<std::int64_t>(seq); }
  std::uint64_t hash_of(NameKind kind, std::string_view name) const {
    return hash_name(seed, hash_tenant(seed, "o", "a"), kind, name);
  }
  void put(Table table, std::string_view key, std::string_view value) {
    logic::StoreBatch batch;
    batch.put(table, key, value);
    write(batch);
  }
  void erase(Table table, std::string_view key) {
    logic::StoreBatch batch;
    batch.erase(table, key);
    write(batch);
  }
  void write(const logic::StoreBatch& batch) {
    const logic::StoreBatch* const batches[] = {&batch};
    REQUIRE(store.write(batches, 1, true) == logic::StoreStatus::kOk);
  }
  void put_heads() {
    put(Table::kMeta, logic::user_key(ann.partition, TenantId{7}, "ann"), logic::encode_user(user));
    put(Table::kMeta, logic::group_key(group.partition, TenantId{7}, "g"),
        logic::encode_group(group_row));
  }
  void put_row(TimelineKey timeline, std::uint64_t seq, std::int64_t time_ms,
               std::string_view group_name = "") {
    MessageFields fields;
    fields.to = group_name.empty() ? "ann" : "";
    fields.group = group_name;
    fields.seq = seq;
    std::string value;
    logic::append_row_header(value, time_ms, SessionId{1}, UserId{2}, logic::RowKind::kMessage);
    const std::size_t at = value.size();
    value.resize(at + push_message_bytes(fields));
    write_push_message(reinterpret_cast<std::byte*>(value.data() + at), fields);
    put(Table::kRows, logic::row_key(timeline, seq), value);
  }
  void put_cursor(std::uint64_t timeline, std::uint64_t seq) {
    put(Table::kCursors, logic::cursor_key(ann, "phone", timeline),
        logic::encode_cursor({kNow, seq}));
  }
  void erase_row(TimelineKey timeline, std::uint64_t seq) {
    erase(Table::kRows, logic::row_key(timeline, seq));
  }
  VerifyResult check() { return verify(store, kNow, kRetention); }
  std::string only_problem() {
    const VerifyResult result = check();
    CHECK(result.problem_count == 1);
    return result.problems.empty() ? "" : result.problems.front();
  }

  logic::MemoryStore store;
  std::uint64_t seed = 0;
  TimelineKey ann, group;
  logic::UserRow user;
  logic::GroupRow group_row;
};

TEST_CASE("whole: no problem, and everything was counted") {
  Whole whole;
  const VerifyResult result = whole.check();
  CHECK(result.problem_count == 0);
  CHECK(result.users == 1);
  CHECK(result.groups == 1);
  CHECK(result.rows == 8);
  CHECK(result.cursors == 2);
  logic::MemoryStore empty;
  CHECK(verify(empty, kNow, kRetention).problem_count == 0);
}

TEST_CASE("rows: missing, too many, out of time, damaged") {
  struct Row {
    const char* rule;
    void (*break_it)(Whole&);
    const char* said;
  };
  const Row rows[] = {
      {"the first", [](Whole& w) { w.erase_row(w.ann, 1); },
       "user o/a \"ann\": rows 1 to 1 are missing at the beginning"},
      {"one in the middle", [](Whole& w) { w.erase_row(w.ann, 3); },
       "user o/a \"ann\": rows 3 to 3 are missing"},
      {"two in the middle", [](Whole& w) { w.erase_row(w.ann, 3), w.erase_row(w.ann, 4); },
       "user o/a \"ann\": rows 3 to 4 are missing"},
      {"the last", [](Whole& w) { w.erase_row(w.ann, 5); },
       "user o/a \"ann\": rows 5 to 5 are missing at the end"},
      {"all", [](Whole& w) { for (std::uint64_t s = 1; s <= 3; ++s) w.erase_row(w.group, s); },
       "group o/a \"g\": rows 1 to 3 are missing at the end"},
      {"one beyond the head", [](Whole& w) { w.put_row(w.ann, 6, kNow); },
       "user o/a \"ann\": row 6 is beyond head 5"},
      {"time goes back", [](Whole& w) { w.put_row(w.ann, 5, kNow - 2 * kDay); },
       "user o/a \"ann\": time goes back at row 5"},
      {"damaged",
       [](Whole& w) { w.put(Table::kRows, logic::row_key(w.ann, 5), "x"); },
       ""},
      {"an inbox without its user", [](Whole& w) { w.put_row({1, 999}, 1, kNow); },
       "rows of an inbox that nobody owns: 999"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    Whole whole;
    row.break_it(whole);
    if (*row.said == '\0') {
      CHECK(whole.check().problem_count > 0);
    } else {
      CHECK(whole.only_problem() == row.said);
    }
  }
}

TEST_CASE("rows: what retention took is not missing") {
  Whole whole;
  // The first two are older than retention and gone, the state does not know it yet.
  whole.user.inbox.first_time_ms = kNow - kRetention - kDay;
  whole.put_heads();
  whole.erase_row(whole.ann, 1);
  whole.erase_row(whole.ann, 2);
  CHECK(whole.check().problem_count == 0);
  // Hidden by first_seq, there or not.
  whole.user.inbox.first_seq = 4;
  whole.put_heads();
  CHECK(whole.check().problem_count == 0);
  whole.erase_row(whole.ann, 3);
  CHECK(whole.check().problem_count == 0);
  // All of a timeline, when its newest is old.
  whole.group_row.timeline.last_time_ms = kNow - kRetention - 1;
  whole.put_heads();
  for (std::uint64_t seq = 1; seq <= 3; ++seq) whole.erase_row(whole.group, seq);
  CHECK(whole.check().problem_count == 0);
  whole.group_row.timeline.last_time_ms = kNow - kRetention;
  whole.put_heads();
  CHECK(whole.check().problem_count == 1);
}

TEST_CASE("rows: a dismissed group's, whose name was taken again, are no problem") {
  Whole whole;
  whole.put_row({1, 999}, 1, kNow, "g");
  whole.put_cursor(999, 1);
  CHECK(whole.check().problem_count == 0);
}

TEST_CASE("cursors: at the head, and above it") {
  Whole whole;
  whole.put_cursor(100, 6);
  CHECK(whole.only_problem() ==
        "user o/a \"ann\", device \"phone\": cursor 6 in user o/a \"ann\" is beyond head 5");
  whole.put_cursor(100, 5);
  whole.put_cursor(200, 4);
  CHECK(whole.only_problem() ==
        "user o/a \"ann\", device \"phone\": cursor 4 in group o/a \"g\" is beyond head 3");
}

TEST_CASE("memberships: both sides agree, or an outbox row still has to tell") {
  Whole whole;
  const std::string mine = logic::mine_key(whole.ann, "g");
  whole.erase(Table::kMeta, mine);
  CHECK(whole.only_problem() == "group o/a \"g\": member \"ann\" does not know of it");
  whole.put(Table::kMeta, logic::outbox_key(whole.group.partition, 1),
            logic::encode_outbox({TenantId{7}, "ann", "g", {GroupId{200}, 1, 0, 0}}));
  CHECK(whole.check().problem_count == 0);
  whole.erase(Table::kMeta, logic::outbox_key(whole.group.partition, 1));

  whole.put(Table::kMeta, mine, logic::encode_mine({GroupId{200}, 2, 0, 0}));
  CHECK(whole.only_problem() == "group o/a \"g\": member \"ann\" joined at 1, its own row says 2");
  whole.put(Table::kMeta, mine, logic::encode_mine({GroupId{200}, 1, 0, 0}));

  whole.group_row.member_count = 2;
  whole.put_heads();
  CHECK(whole.only_problem() == "group o/a \"g\": counts 2 members, has 1");
  whole.group_row.member_count = 0;
  whole.put_heads();
  whole.erase(Table::kMeta, logic::member_key(whole.group, "ann"));
  CHECK(whole.only_problem() == "group o/a \"g\": \"ann\" believes to be a member");
  // Dismissed: the members are still being told.
  whole.group_row.dismissed = true;
  whole.put_heads();
  CHECK(whole.check().problem_count == 0);
}

TEST_CASE("keys: a name in another partition than its own") {
  Whole whole;
  const std::uint16_t other = static_cast<std::uint16_t>(
      (partition_of(whole.hash_of(NameKind::kUser, "bob")) + 1) % kPartitionCount);
  logic::UserRow bob;
  bob.id = UserId{300};
  whole.put(Table::kMeta, logic::user_key(other, TenantId{7}, "bob"), logic::encode_user(bob));
  CHECK(whole.only_problem().starts_with("user o/a \"bob\": lies in partition "));
}

TEST_CASE("problems: all are counted, the first hundred are told") {
  Whole whole;
  whole.user.inbox.head = 5;
  for (std::uint64_t seq = 6; seq <= 105; ++seq) whole.put_row(whole.ann, seq, kNow);
  CHECK(whole.check().problems.size() == 100);
  whole.put_row(whole.ann, 106, kNow);
  CHECK(whole.check().problem_count == 101);
  CHECK(whole.check().problems.size() == 100);
}

}  // namespace
}  // namespace ims
