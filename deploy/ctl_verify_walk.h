// The walk of `imsctl verify` over a store: what it collects on the way, and its checks.
// ctl_verify.cc: users, groups, rows, cursors; ctl_verify_pairs.cc: memberships and contacts, which
// two rows tell of.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "deploy/ctl_verify.h"
#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store.h"
#include "logic/tenant.h"
#include "shared/route.h"

namespace ims {

using logic::MineRow;
using logic::StoreStatus;
using logic::Table;
using logic::TimelineKey;
using logic::TimelineState;

template <typename Row>
class RowFunction final : public logic::RowVisitor {
 public:
  explicit RowFunction(Row row) : row_(std::move(row)) {}
  bool on_row(std::string_view key, std::string_view value) override {
    row_(key, value);
    return true;
  }
  bool on_damaged(std::string_view key) override {
    row_(key, {});  // decodes as none
    return true;
  }

 private:
  Row row_;
};

// A user or a group: what its row says, and what is found of its timeline.
struct Owner {
  NameKind kind{};
  std::uint16_t partition = 0;
  std::uint32_t tenant = 0;
  std::string name;
  TimelineState state;
  std::uint32_t member_count = 0;
  std::uint32_t contacts = 0;
  std::uint32_t blocked = 0;
  bool dismissed = false;
  std::map<std::string, std::uint64_t, std::less<>> members;  // of a group: name, join_seq
};

class Walk {
 public:
  Walk(logic::Store& store, std::int64_t now_ms, std::int64_t retention_ms)
      : store_(store), cutoff_ms_(retention_ms == 0 ? INT64_MIN : now_ms - retention_ms) {}

  VerifyResult run();

 private:
  template <typename Row>
  void scan(Table table, std::string_view from, std::string_view to, Row row);
  template <typename Row>
  void scan_kind(char kind, Row row) {
    const std::string prefix(1, kind);
    scan(Table::kMeta, prefix, logic::prefix_end(prefix), std::move(row));
  }
  void problem(std::string text);
  std::string label(const Owner& owner) const;
  Owner* find(std::uint64_t id);

  void read_partition_seed();
  void read_owners(NameKind kind);
  void check_partition(const Owner& owner);
  void check_rows();
  void check_orphan(std::uint64_t id, std::string_view value);
  void check_end(const Owner& owner, std::uint64_t last_seq);
  void read_members();
  void read_mine();
  void check_members();
  void check_cursors();
  void check_contacts();

  logic::Store& store_;
  const std::int64_t cutoff_ms_;  // rows older than this may be gone
  VerifyResult result_;
  std::optional<std::uint64_t> seed_;
  logic::TenantTable tenants_;
  boost::unordered_flat_map<std::uint64_t, Owner> owners_;  // by timeline
  boost::unordered_flat_map<std::string, bool> dismissals_;  // groups that still tell members
  // What outbox rows still have to write, by user and group: the last one stands.
  boost::unordered_flat_map<std::string, MineRow> told_;
  // The same for contact rows, by user and other user.
  std::map<std::string, logic::ContactRow> mirrors_due_;
  // Memberships that users' rows name: group timeline and user name, to join_seq.
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> mine_;
};

std::string pair_key(std::uint32_t tenant, std::string_view a, std::string_view b);

template <typename Row>
void Walk::scan(Table table, std::string_view from, std::string_view to, Row row) {
  RowFunction<Row> visitor(std::move(row));
  const StoreStatus status =
      store_.scan(table, from, to, false, logic::ReadTier::kMayBlock, visitor);
  if (status != StoreStatus::kOk) problem("a part of the store cannot be read");
}

}  // namespace ims
