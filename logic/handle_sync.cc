// SYNC: a page of a timeline, forward from after_seq or backward from before_seq. Moves no cursor.
//
//   runs on   the owner of the timeline: the user's, or the group's, where membership is exact
//   sees      durable rows within retention; of a group those from the member's join on

#include <algorithm>

#include "logic/find_entity.h"
#include "logic/worker.h"
#include "shared/encode.h"
#include "shared/payload.h"
#include "shared/request_parts.h"

namespace ims::logic {
namespace {

// Outer frame, Response and its numbers around a SyncResult.
constexpr std::size_t kAnswerOverheadBytes = 128;

// Field and length in front of a row in the SyncResult; the row itself is the push's payload as it
// is.
void append_embedded(Buffer& out, std::uint8_t field, std::string_view message) {
  out.push_back(static_cast<std::byte>((field << 3) | 2));
  std::size_t bytes = message.size();
  while (bytes >= 0x80) {
    out.push_back(static_cast<std::byte>(bytes | 0x80));
    bytes >>= 7;
  }
  out.push_back(static_cast<std::byte>(bytes));
  out.insert(out.end(), reinterpret_cast<const std::byte*>(message.data()),
             reinterpret_cast<const std::byte*>(message.data()) + message.size());
}

std::uint8_t sync_field(RowKind kind) {
  switch (kind) {
    case RowKind::kMessage: return 1;
    case RowKind::kGroupEvent: return 5;
    case RowKind::kContactEvent: return 6;
  }
  return 1;
}

}  // namespace

void Worker::handle_sync(const RequestRecord& record) {
  const Requester to = requester_of(record);
  const ByteView bytes = bytes_of(record);
  const RequestParts parts(record);
  const std::string_view from = parts.from();
  const std::string_view target = parts.target();
  const bool of_group = (record.header.flags & kFlagToGroup) != 0;

  Entity& owner =
      of_group ? static_cast<Entity&>(group_entry(record.tenant, record.target_hash, target))
               : user_entry(record.tenant, record.target_hash, target);
  if (!ensure_loaded(owner, bytes)) return;
  if (owner.state == Entity::State::kAbsent) return refuse(to, Code::kNotFound);

  Timeline& timeline = timeline_of(owner);
  std::uint64_t first_visible = 1;
  if (of_group) {
    Group& group = static_cast<Group&>(owner);
    if (group.dismissed) return refuse(to, Code::kNotFound);
    if (!ensure_members(group, {&from, 1}, bytes)) return;
    const Member& member = member_of(group, from);
    if (!member.exists) return answer(to, Code::kForbidden, "You are no member of the group.");
    first_visible = member.row.join_seq;
  }
  if (!ensure_fresh(owner, timeline, bytes)) return;

  const std::uint32_t limit =
      record.limit == 0 ? kPageRowsDefault : std::min(record.limit, kPageRowsMax);
  Load* load = make_load(Load::Kind::kRowPage, Load::Reason::kSync, &owner);
  load->requester = to;
  load->timeline_key = timeline.key();
  load->timeline = timeline.durable();
  load->timeline.first_seq = std::max(timeline.first_seq(), first_visible);
  load->scan_reverse = record.before_seq != 0;
  load->seq_from = load->timeline.first_seq;
  load->seq_to = timeline.head();
  if (load->scan_reverse) {
    load->seq_to = std::min(load->seq_to, record.before_seq - 1);
  } else {
    load->seq_from = std::max(load->seq_from, record.seq == UINT64_MAX ? record.seq
                                                                       : record.seq + 1);
  }
  load->rows_max = limit;
  load->bytes_max = config_.max_frame_bytes;
  start_load(load);
}

// The rows that fit one frame, ascending in their lists; `more` says that there are others.
void Worker::finish_sync(Load* load) {
  if (load->status != StoreStatus::kOk) return refuse(load->requester, Code::kUnavailable);
  const std::size_t bytes_max =
      config_.max_frame_bytes - kAnswerOverheadBytes - kSyncTailBytesMax;
  bool more = load->more;
  std::size_t taken = 0;
  std::size_t bytes = 0;
  for (const Load::Page& found : load->page) {
    const auto row = decode_row(found.value);
    if (row && row->time_ms >= load->cutoff_ms) {
      const std::size_t row_bytes = row->message().size() + 6;
      if (bytes + row_bytes > bytes_max) {
        more = true;
        break;
      }
      bytes += row_bytes;
    }
    ++taken;
  }
  load->page.resize(taken);
  if (load->scan_reverse) std::reverse(load->page.begin(), load->page.end());

  result_.clear();
  for (const Load::Page& found : load->page) {
    const auto row = decode_row(found.value);
    if (!row || row->time_ms < load->cutoff_ms) continue;
    append_embedded(result_, sync_field(row->kind), row->message());
  }
  append_sync_tail(result_, load->timeline.head, more, load->timeline.first_seq);
  answer(load->requester, Code::kOk, {}, 0, 0, as_text(result_));
}

}  // namespace ims::logic
