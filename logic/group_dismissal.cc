// The end of a group's memberships after DISMISS, in pages: each page erases member rows and sets
// the members' mine rows through the outbox, in one batch.
//
//   kMeta 'x' P N name -> the outbox row's form of the end; exists until the last member is done,
//   so that a crash in between is taken up at the next start

#include "logic/find_entity.h"
#include "logic/worker.h"

namespace ims::logic {
namespace {

constexpr std::uint32_t kMembersPerPage = 200;
constexpr std::size_t kOutboxPauseAt = 2048;  // entries that must leave first

}  // namespace

void Worker::begin_dismissal(Group& group, std::uint64_t seq, std::int64_t time_ms) {
  const MineRow end{group.id, 0, seq, time_ms};
  OutboxRow row;
  row.tenant = group.tenant;
  row.group_name = group.name;
  row.mine = end;
  ops().put(Table::kMeta, dismissal_key(group.partition(), group.tenant, group.name),
            encode_outbox(row));
  queue_dismissal(group.tenant, group.name, end);
}

void Worker::queue_dismissal(TenantId tenant, std::string_view name, const MineRow& end) {
  dismissals_.push_back({tenant, std::string(name), end, false});
}

// One page at a time over all groups.
void Worker::continue_dismissals() {
  if (dismissals_.empty() || outbox_size() >= kOutboxPauseAt) return;
  Dismissal& next = dismissals_.front();
  if (next.reading) return;
  Group& group = group_entry(
      next.tenant,
      hash_name(identity_.hash_seed, tenant_hash(next.tenant), NameKind::kGroup, next.name),
      next.name);
  if (group.reading) return;
  if (group.state == Entity::State::kNew) {
    group.reading = true;
    start_load(make_load(Load::Kind::kEntity, Load::Reason::kEntity, &group));
    return;
  }
  if (group.state == Entity::State::kAbsent || !group.dismissed) {
    dismissals_.pop_front();  // its batch failed: the group lives
    return;
  }
  if (group.pending_changes > 0) return;  // the event first
  next.reading = true;
  Load* load = make_load(Load::Kind::kNamePage, Load::Reason::kMembersPage, &group);
  const std::string prefix = member_key(group.timeline.key(), "");
  load->scan_from = prefix;
  load->scan_to = prefix_end(prefix);
  load->rows_max = kMembersPerPage;
  start_load_quiet(load);  // sees the erasures of the page before
}

void Worker::finish_dismissal_page(Load* load) {
  Group& group = static_cast<Group&>(*load->entity);
  IMS_ASSERT(!dismissals_.empty());
  Dismissal& here = dismissals_.front();
  here.reading = false;
  if (load->status != StoreStatus::kOk) return;  // tried again next turn
  for (const Load::Page& found : load->page) {
    const std::size_t name_bytes = static_cast<unsigned char>(found.value[0]);
    const std::string_view name = std::string_view(found.value).substr(1, name_bytes);
    const auto row = decode_member(std::string_view(found.value).substr(1 + name_bytes));
    MineRow mine = here.end;
    mine.join_seq = row ? row->join_seq : 1;
    set_member(group, name, {});
    add_outbox(group, name, mine);
  }
  group.members.clear();
  if (!load->page.empty()) return;
  ops().erase(Table::kMeta, dismissal_key(group.partition(), group.tenant, group.name));
  dismissals_.pop_front();
}

}  // namespace ims::logic
