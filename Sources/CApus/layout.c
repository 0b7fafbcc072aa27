// What the ABI promises about apus_event: members never move, and new ones come at the end.
#include "apus.h"

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(apus_event) == 56, "the size of ABI 1.0");
_Static_assert(offsetof(apus_event, status) == 20, "six numbers of 32 bits first");
_Static_assert(offsetof(apus_event, json_len) == 48, "four words after them");
#endif
_Static_assert(offsetof(apus_event, size) == 0, "readable whatever the version");
