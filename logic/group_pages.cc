// MEMBERS and LIST_MINE: pages in the order of the names' bytes; the cursor is the last name.

#include <algorithm>

#include "logic/find_entity.h"
#include "logic/group_call.h"
#include "logic/worker.h"

namespace ims::logic {
namespace {

std::uint32_t page_limit(std::uint32_t limit) {
  return limit == 0 ? kPageRowsDefault : std::min(limit, kPageRowsMax);
}

}  // namespace

void Worker::group_members_page(const RequestRecord& record, Group& group, const GroupCall& call) {
  Load* load = make_load(Load::Kind::kNamePage, Load::Reason::kMembersPage, &group);
  load->requester = requester_of(record);
  const std::string prefix = member_key(group.timeline.key(), "");
  load->scan_from = prefix + std::string(call.request.cursor);
  if (!call.request.cursor.empty()) load->scan_from.push_back('\0');  // names hold no NUL
  load->scan_to = prefix_end(prefix);
  load->rows_max = page_limit(call.request.limit);
  start_load(load);
}

void Worker::finish_members_page(Load* load) {
  Group& group = static_cast<Group&>(*load->entity);
  if (load->requester.connection == ConnectionId{}) return finish_dismissal_page(load);
  if (load->status != StoreStatus::kOk) return refuse(load->requester, Code::kUnavailable);
  const std::size_t bytes_max = config_.max_frame_bytes - kGroupTailBytesMax - kSmallAnswerBytes;
  result_.clear();
  std::string last;
  bool more = load->more;
  for (const Load::Page& found : load->page) {
    const std::size_t name_bytes = static_cast<unsigned char>(found.value[0]);
    const std::string_view name = std::string_view(found.value).substr(1, name_bytes);
    const auto row = decode_member(std::string_view(found.value).substr(1 + name_bytes));
    if (!row) continue;
    const std::size_t before = result_.size();
    append_group_member(result_, {name, row->role, row->muted});
    if (result_.size() > bytes_max) {
      result_.resize(before);
      more = true;
      break;
    }
    last = name;
  }
  append_group_tail(result_, {.group = group.name,
                              .name = group.label,
                              .member_count = group.member_count,
                              .head_seq = group.timeline.head(),
                              .cursor = more ? std::string_view(last) : std::string_view(),
                              .open = group.open});
  answer(load->requester, Code::kOk, {}, 0, 0, as_text(result_));
}

void Worker::list_mine(const RequestRecord& record, const GroupCall& call) {
  const Requester to = requester_of(record);
  const ByteView bytes = bytes_of(record);
  User& user = user_entry(record.tenant, record.target_hash, call.target);
  if (!ensure_loaded(user, bytes)) return;
  if (user.state == Entity::State::kAbsent) return refuse(to, Code::kNotFound);
  if (!ensure_mine(user, bytes)) return;
  const std::size_t bytes_max = config_.max_frame_bytes - kGroupTailBytesMax - kSmallAnswerBytes;
  const std::uint32_t limit = page_limit(call.request.limit);
  result_.clear();
  std::string_view last;
  std::uint32_t count = 0;
  bool more = false;
  for (const Mine& mine : *user.mine) {
    if (mine.ended() || mine.group_name() <= call.request.cursor) continue;
    if (count == limit || result_.size() + mine.group_name().size() + 3 > bytes_max) {
      more = true;
      break;
    }
    append_group_mine(result_, mine.group_name());
    last = mine.group_name();
    ++count;
  }
  GroupTailFields tail;
  if (more) tail.cursor = last;
  append_group_tail(result_, tail);
  answer(to, Code::kOk, {}, 0, 0, as_text(result_));
}

}  // namespace ims::logic
