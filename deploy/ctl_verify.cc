// The walk over the store and what it compares (ctl_verify.h).
#include "deploy/ctl_verify.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <optional>
#include <utility>

#include "deploy/ctl_verify_walk.h"
#include "deploy/operator_desk.h"
#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store_identity.h"
#include "logic/sys_keys.h"
#include "shared/config_value.h"
#include "shared/payload.h"
#include "shared/route.h"

namespace ims {

std::string pair_key(std::uint32_t tenant, std::string_view a, std::string_view b) {
  return std::to_string(tenant) + '/' + std::string(a) + '/' + std::string(b);
}

VerifyResult Walk::run() {
  tenants_ = load_tenants(store_);
  read_partition_seed();
  read_owners(NameKind::kUser);
  read_owners(NameKind::kGroup);
  check_rows();
  read_members();
  read_mine();
  check_members();
  check_cursors();
  check_contacts();
  return std::move(result_);
}

void Walk::problem(std::string text) {
  ++result_.problem_count;
  if (result_.problems.size() < kProblemsMax) result_.problems.push_back(std::move(text));
}

std::string Walk::label(const Owner& owner) const {
  const logic::Tenant* tenant = tenants_.find(TenantId{owner.tenant});
  const std::string app =
      tenant != nullptr ? tenant->org + "/" + tenant->appkey : "removed app";
  return (owner.kind == NameKind::kUser ? "user " : "group ") + app + " " + quote(owner.name);
}

Owner* Walk::find(std::uint64_t id) {
  const auto found = owners_.find(id);
  return found == owners_.end() ? nullptr : &found->second;
}

// ---- users and groups ----

void Walk::read_partition_seed() {
  std::string value;
  const StoreStatus status =
      store_.get(Table::kMeta, logic::kSysIdentity, &value, logic::ReadTier::kMayBlock);
  if (status == StoreStatus::kOk && value.size() >= 24) {
    seed_ = logic::read_big_endian<std::uint64_t>(std::string_view(value).substr(16));
  }
}

void Walk::read_owners(NameKind kind) {
  scan_kind(kind == NameKind::kUser ? 'u' : 'g', [&](std::string_view key, std::string_view value) {
    Owner owner;
    owner.kind = kind;
    owner.partition = logic::partition_of_key(key, 1);
    owner.tenant = logic::read_big_endian<std::uint32_t>(key.substr(3));
    owner.name = key.substr(7);
    std::uint64_t id = 0;
    if (kind == NameKind::kUser) {
      const auto row = logic::decode_user(value);
      if (row) {
        id = row->id.value;
        owner.state = row->inbox;
        owner.contacts = row->contacts;
        owner.blocked = row->blocked;
      }
      ++result_.users;
    } else if (const auto row = logic::decode_group(value)) {
      id = row->id.value;
      owner.state = row->timeline;
      owner.member_count = row->member_count;
      owner.dismissed = row->dismissed;
      ++result_.groups;
    }
    if (id == 0) return problem(label(owner) + ": its row is damaged");
    if (owner.state.first_seq > owner.state.head + 1) {
      problem(label(owner) + ": first_seq " + std::to_string(owner.state.first_seq) +
              " is beyond head " + std::to_string(owner.state.head));
    }
    check_partition(owner);
    const auto [at, added] = owners_.try_emplace(id, std::move(owner));
    if (!added) problem(label(at->second) + ": its timeline is another one's too");
  });
}

void Walk::check_partition(const Owner& owner) {
  const logic::Tenant* tenant = tenants_.find(TenantId{owner.tenant});
  if (tenant == nullptr || !seed_) return;
  const std::uint64_t hash =
      hash_name(*seed_, hash_tenant(*seed_, tenant->org, tenant->appkey), owner.kind, owner.name);
  if (partition_of(hash) != owner.partition) {
    problem(label(owner) + ": lies in partition " + std::to_string(owner.partition) + ", not " +
            std::to_string(partition_of(hash)));
  }
}

// ---- timelines ----

void Walk::check_rows() {
  std::uint64_t timeline = 0;
  Owner* owner = nullptr;
  std::uint64_t last_seq = 0;
  std::int64_t last_time_ms = INT64_MIN;
  boost::unordered_flat_map<std::uint64_t, bool> seen;
  const auto finish = [&] {
    if (owner != nullptr) check_end(*owner, last_seq);
  };
  // Behind the last key: partitions end at kPartitionCount.
  const std::string end = logic::row_key({kPartitionCount, 0}, 0);
  scan(Table::kRows, "", end, [&](std::string_view key, std::string_view value) {
    ++result_.rows;
    const auto id = logic::read_big_endian<std::uint64_t>(key.substr(2));
    if (id != timeline) {
      finish();
      timeline = id;
      owner = find(id);
      seen[id] = true;
      last_seq = owner != nullptr ? owner->state.first_seq - 1 : 0;
      last_time_ms = INT64_MIN;
      if (owner == nullptr) check_orphan(id, value);
    }
    if (owner == nullptr) return;
    const std::uint64_t seq = logic::seq_of_row_key(key);
    if (seq < owner->state.first_seq) return;  // hidden, not reclaimed yet
    const auto row = logic::decode_row(value);
    if (!row) {
      last_seq = seq;
      return problem(label(*owner) + ": row " + std::to_string(seq) + " is damaged");
    }
    if (seq > owner->state.head) {
      problem(label(*owner) + ": row " + std::to_string(seq) + " is beyond head " +
              std::to_string(owner->state.head));
    } else if (seq != last_seq + 1 && last_time_ms >= cutoff_ms_) {
      problem(label(*owner) + ": rows " + std::to_string(last_seq + 1) + " to " +
              std::to_string(seq - 1) + " are missing");
    } else if (seq != last_seq + 1 && last_time_ms == INT64_MIN &&
               owner->state.first_time_ms >= cutoff_ms_ && owner->state.first_time_ms > 0) {
      problem(label(*owner) + ": rows " + std::to_string(last_seq + 1) + " to " +
              std::to_string(seq - 1) + " are missing at the beginning");
    }
    if (row->time_ms < last_time_ms) {
      problem(label(*owner) + ": time goes back at row " + std::to_string(seq));
    }
    last_seq = seq;
    last_time_ms = row->time_ms;
  });
  finish();
  for (const auto& [id, other] : owners_) {
    if (!seen.contains(id)) check_end(other, other.state.first_seq - 1);
  }
}

// The timeline of a dismissed group whose name was taken again stays until retention. No inbox
// does.
void Walk::check_orphan(std::uint64_t id, std::string_view value) {
  const auto row = logic::decode_row(value);
  MessageView message;
  const bool is_group =
      row && (row->kind == logic::RowKind::kGroupEvent ||
              (row->kind == logic::RowKind::kMessage &&
               decode_message(as_bytes(row->message()), message) == DecodeStatus::kOk &&
               !message.group.empty()));
  if (!is_group) problem("rows of an inbox that nobody owns: " + std::to_string(id));
}

// All up to the head is there, unless all that is missing is old.
void Walk::check_end(const Owner& owner, std::uint64_t last_seq) {
  if (last_seq >= owner.state.head || owner.state.last_time_ms < cutoff_ms_) return;
  problem(label(owner) + ": rows " + std::to_string(last_seq + 1) + " to " +
          std::to_string(owner.state.head) + " are missing at the end");
}

// ---- cursors ----

void Walk::check_cursors() {
  const std::string end = logic::user_cursors_key({kPartitionCount, 0});
  scan(Table::kCursors, "", end, [&](std::string_view key, std::string_view value) {
    ++result_.cursors;
    const auto parts = logic::parse_cursor_key(key);
    const auto row = logic::decode_cursor(value);
    const auto id = logic::read_big_endian<std::uint64_t>(key.substr(2));
    const Owner* user = find(id);
    const Owner* owner = find(parts.timeline);
    if (user == nullptr) return problem("cursors of an unknown user: " + std::to_string(id));
    const std::string device = ", device " + quote(parts.device);
    if (owner == nullptr) return;  // of a group that was dismissed, and its name taken again
    if (!row) return problem(label(*user) + device + ": a cursor is damaged");
    if (row->seq > owner->state.head) {
      problem(label(*user) + device + ": cursor " + std::to_string(row->seq) + " in " +
              label(*owner) + " is beyond head " + std::to_string(owner->state.head));
    }
  });
}

VerifyResult verify(logic::Store& store, std::int64_t now_ms, std::int64_t retention_ms) {
  return Walk(store, now_ms, retention_ms).run();
}

}  // namespace ims
