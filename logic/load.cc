// What a load reads, step by step, on the worker or on the reader (load.h).
#include "logic/load.h"

#include "logic/dedupe_key.h"
#include "shared/assert.h"
#include "shared/payload.h"

namespace ims::logic {
namespace {

constexpr std::size_t kRepeatsOnWorkerMax = 256;

// Collects the first row of a scan: its seq and time.
class FirstRow final : public RowVisitor {
 public:
  bool on_row(std::string_view key, std::string_view value) override {
    found = true;
    seq = seq_of_row_key(key);
    if (const auto row = decode_row(value)) time_ms = row->time_ms;
    return false;
  }
  bool found = false;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
};

class RowPage final : public RowVisitor {
 public:
  explicit RowPage(Load& load) : load_(load) {}
  bool on_row(std::string_view key, std::string_view value) override {
    if (load_.page.size() >= load_.rows_max ||
        (!load_.page.empty() && bytes_ + value.size() > load_.bytes_max)) {
      load_.more = true;
      return false;
    }
    bytes_ += value.size();
    load_.page.push_back({seq_of_row_key(key), std::string(value)});
    return true;
  }

 private:
  Load& load_;
  std::size_t bytes_ = 0;
};

// Newest first, until they are too old. On the worker only a few: a busy timeline's are the
// reader's.
class Repeats final : public RowVisitor {
 public:
  Repeats(Load& load, std::size_t rows_max) : load_(load), rows_left_(rows_max) {}
  bool on_row(std::string_view key, std::string_view value) override {
    const auto row = decode_row(value);
    if (row && row->time_ms < load_.cutoff_ms) return false;
    if (rows_left_-- == 0) {
      incomplete = true;
      return false;
    }
    MessageView message;
    if (!row || row->kind != RowKind::kMessage ||
        decode_message(as_bytes(row->message()), message) != DecodeStatus::kOk ||
        message.client_id.empty() || message.client_id.size() > kClientIdBytesMax ||
        message.peer_seq != 0) {
      return true;
    }
    const DedupeKey repeat(load_.hash_seed, load_.timeline_key.id, row->sender,
                           message.client_id);
    load_.repeats.push_back({repeat.hash, seq_of_row_key(key)});
    return true;
  }
  bool incomplete = false;

 private:
  Load& load_;
  std::size_t rows_left_;
};

// `page[].value` = | name length u8 | name | value |
class NamePage final : public RowVisitor {
 public:
  explicit NamePage(Load& load) : load_(load) {}
  bool on_row(std::string_view key, std::string_view value) override {
    if (load_.listed_contacts) {
      const auto row = decode_contact(value);
      if (!row || !row->listed()) return true;
    }
    if (load_.page.size() >= load_.rows_max) {
      load_.more = true;
      return false;
    }
    const std::string_view name = name_of_member_key(key);
    std::string packed(1, static_cast<char>(name.size()));
    packed.append(name).append(value);
    load_.page.push_back({0, std::move(packed)});
    return true;
  }

 private:
  Load& load_;
};

class Cursors final : public RowVisitor {
 public:
  explicit Cursors(Load& load) : load_(load) {}
  bool on_row(std::string_view key, std::string_view value) override {
    const CursorKeyParts parts = parse_cursor_key(key);
    const auto row = decode_cursor(value);
    if (row && row->last_used_ms >= load_.cutoff_ms) {
      load_.cursors.push_back({ShortText(parts.device), parts.timeline, *row, false, true});
    }
    return true;
  }

 private:
  Load& load_;
};

class Memberships final : public RowVisitor {
 public:
  explicit Memberships(Load& load) : load_(load) {}
  bool on_row(std::string_view key, std::string_view value) override {
    if (const auto row = decode_mine(value)) {
      load_.mine.emplace_back(name_of_member_key(key), *row);
    }
    return true;
  }

 private:
  Load& load_;
};

StoreStatus scan_prefix(Store& store, Table table, const std::string& prefix, ReadTier tier,
                        RowVisitor& visitor) {
  return store.scan(table, prefix, prefix_end(prefix), false, tier, visitor);
}

StoreStatus load_mine(Store& store, Load& load, TimelineKey user, ReadTier tier) {
  load.mine.clear();
  Memberships visitor(load);
  return scan_prefix(store, Table::kMeta, mine_key(user, ""), tier, visitor);
}

StoreStatus load_entity(Store& store, Load& load, ReadTier tier) {
  const bool is_user = load.entity->kind == NameKind::kUser;
  const std::string key =
      is_user ? user_key(load.entity->partition(), load.entity->tenant, load.entity->name)
              : group_key(load.entity->partition(), load.entity->tenant, load.entity->name);
  load.entity_value.clear();
  const StoreStatus status = store.get(Table::kMeta, key, &load.entity_value, tier);
  if (status == StoreStatus::kNotFound) {
    load.entity_value.clear();
    return StoreStatus::kOk;
  }
  if (status != StoreStatus::kOk) return status;

  if (is_user) {
    const auto row = decode_user(load.entity_value);
    if (!row) return StoreStatus::kCorrupt;
    load.timeline_key = {load.entity->partition(), row->id.value};
    load.timeline = row->inbox;
  } else {
    const auto row = decode_group(load.entity_value);
    if (!row) return StoreStatus::kCorrupt;
    load.timeline_key = {load.entity->partition(), row->id.value};
    load.timeline = row->timeline;
  }
  return find_first_kept(store, load.timeline_key, load.cutoff_ms, load.timeline, tier);
}

StoreStatus load_login(Store& store, Load& load, ReadTier tier) {
  load.cursors.clear();
  load.mine.clear();
  const StoreStatus status = load_entity(store, load, tier);
  if (status != StoreStatus::kOk || load.entity_value.empty()) return status;
  Cursors cursors(load);
  const StoreStatus scanned =
      scan_prefix(store, Table::kCursors, user_cursors_key(load.timeline_key), tier, cursors);
  if (scanned != StoreStatus::kOk) return scanned;
  return load_mine(store, load, load.timeline_key, tier);
}

StoreStatus load_row_page(Store& store, Load& load, ReadTier tier) {
  load.page.clear();
  load.more = false;
  if (load.seq_from > load.seq_to) return StoreStatus::kOk;
  RowPage visitor(load);
  return store.scan(Table::kRows, row_key(load.timeline_key, load.seq_from),
                    row_key(load.timeline_key, load.seq_to + 1), load.scan_reverse, tier, visitor);
}

StoreStatus load_repeats(Store& store, Load& load, ReadTier tier) {
  load.repeats.clear();
  if (load.seq_from > load.seq_to) return StoreStatus::kOk;
  Repeats visitor(load, tier == ReadTier::kCacheOnly ? kRepeatsOnWorkerMax : SIZE_MAX);
  const StoreStatus status =
      store.scan(Table::kRows, row_key(load.timeline_key, load.seq_from),
                 row_key(load.timeline_key, load.seq_to + 1), true, tier, visitor);
  return status == StoreStatus::kOk && visitor.incomplete ? StoreStatus::kIncomplete : status;
}

StoreStatus load_name_page(Store& store, Load& load, ReadTier tier) {
  load.page.clear();
  load.more = false;
  NamePage visitor(load);
  return store.scan(Table::kMeta, load.scan_from, load.scan_to, false, tier, visitor);
}

}  // namespace

void Load::reset() {
  clear();
  entity = nullptr;
  session = {};
  connection = {};
  requester = {};
  record.clear();
  entity_value.clear();
  cursors.clear();
  mine.clear();
  page.clear();
  repeats = {};
  timeline = {};
  listed_contacts = false;
}

StoreStatus run_load(Store& store, Load& load, ReadTier tier) {
  switch (load.load_kind) {
    case Load::Kind::kGets:
      for (ReadJob::Get& get : load.gets) {
        get.status = store.get(get.table, get.key, &get.value, tier);
        if (get.status != StoreStatus::kOk && get.status != StoreStatus::kNotFound) {
          return get.status;
        }
      }
      return StoreStatus::kOk;
    case Load::Kind::kEntity: return load_entity(store, load, tier);
    case Load::Kind::kLogin: return load_login(store, load, tier);
    case Load::Kind::kMine: return load_mine(store, load, load.timeline_key, tier);
    case Load::Kind::kFirstSeq:
      return find_first_kept(store, load.timeline_key, load.cutoff_ms, load.timeline, tier);
    case Load::Kind::kRowPage: return load_row_page(store, load, tier);
    case Load::Kind::kRepeats: return load_repeats(store, load, tier);
    case Load::Kind::kNamePage: return load_name_page(store, load, tier);
  }
  IMS_ASSERT(false);
  return StoreStatus::kCorrupt;
}

StoreStatus find_first_kept(Store& store, TimelineKey key, std::int64_t cutoff_ms,
                            TimelineState& state, ReadTier tier) {
  if (state.first_seq > state.head || state.first_time_ms >= cutoff_ms) return StoreStatus::kOk;

  // "The first existing row from s on is young enough, or there is none" is false, then true, as s
  // grows: find the smallest s for which it is true.
  const std::string end = row_key(key, state.head + 1);
  FirstRow row;
  std::uint64_t low = state.first_seq;
  std::uint64_t high = state.head + 1;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    row = {};
    const StoreStatus status =
        store.scan(Table::kRows, row_key(key, middle), end, false, tier, row);
    if (status != StoreStatus::kOk) return status;
    if (!row.found || row.time_ms >= cutoff_ms) {
      high = middle;
    } else {
      low = row.seq + 1;
    }
  }
  row = {};
  const StoreStatus status = store.scan(Table::kRows, row_key(key, low), end, false, tier, row);
  if (status != StoreStatus::kOk) return status;
  state.first_seq = row.found ? row.seq : state.head + 1;
  state.first_time_ms = row.time_ms;
  return StoreStatus::kOk;
}

}  // namespace ims::logic
