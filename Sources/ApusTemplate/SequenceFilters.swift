// Jinja's filters on lists and dictionaries.

import ApusGGUF

extension Filters {
    static let length: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "length", [])
        return .int(try run.count(of: value))
    }

    static let list: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "list", [])
        return try run.list(try run.items(of: value))
    }

    static let items: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "items", [])
        if value.isUndefined { return try run.iterator([]) }
        guard case .dictionary(let dictionary) = value else {
            throw run.fail("items: found a value of type \(value.typeName), wanted: a mapping")
        }
        return try run.iterator(try run.items(of: .view(dictionary, .items)))
    }

    static let first: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "first", [])
        if case .iterator(let iterator) = value, iterator.position < iterator.items.count {
            iterator.position += 1
            return iterator.items[iterator.position - 1]
        }
        if case .string(let text) = value, let scalar = text.first { return .string([scalar]) }
        return try run.items(of: value).first
            ?? .undefined(Value.Undefined("No first item, sequence was empty."))
    }

    static let last: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "last", [])
        if case .string(let text) = value, let scalar = text.last { return .string([scalar]) }
        if case .iterator = value { throw run.fail("last: a generator cannot be read from its end") }
        return try run.items(of: value).last ?? .undefined(Value.Undefined("No last item, sequence was empty."))
    }

    static let reverse: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "reverse", [])
        if let text = value.string {
            try run.allocate(text.count)
            return .string(text.reversed())
        }
        return try run.iterator(try run.items(of: value).reversed())
    }

    static let join: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "join", ["d", "attribute"])
        let separator = try run.text(of: values[0] ?? .string([]))
        let getter = try AttributePath(run, values[1])
        var result: Text = []
        for (index, item) in try run.items(of: value).enumerated() {
            try run.charge()
            let text = try run.text(of: try getter.value(run, item))
            try run.allocate(text.count + separator.count)
            if index > 0 { result += separator }
            result += text
        }
        return .string(result)
    }

    static let attribute: Filter = { run, value, arguments throws(ApusError) in
        let name = try run.string(try run.bind(arguments, "attr", ["name"], required: 1)[0] ?? .none, "attr")
        // Items do not count here.
        if case .dictionary(let dictionary) = value, dictionary[name] != nil {
            let found = try run.attribute(value, name)
            if case .method = found { return found }
            return .undefined(Value.Undefined("no attribute \(ApusError.quoted(name.string))"))
        }
        return try run.attribute(value, name)
    }

    static let map: Filter = { run, value, arguments throws(ApusError) in
        var results: [Value] = []
        // What is empty need not be a list: Jinja looks no further.
        let all = try run.isTrue(value) ? try run.items(of: value) : []
        if arguments.positional.isEmpty, let attribute = arguments.keyword("attribute") {
            let standard = arguments.keyword("default")
            for keyword in arguments.keywords where ![Text("attribute"), Text("default")].contains(keyword.name) {
                throw run.fail("map: unexpected argument \(ApusError.quoted(keyword.name.string))")
            }
            let getter = try AttributePath(run, attribute, standard: standard)
            for item in all { results.append(try getter.value(run, item)) }
        } else {
            guard let name = arguments.positional.first else { throw run.fail("map wants a filter") }
            var rest = arguments
            rest.positional.removeFirst()
            let filter = try run.string(name, "map").string
            for item in all { results.append(try run.applyFilter(filter, item, rest)) }
        }
        return try run.iterator(results)
    }

    /// `select`, `reject`, `selectattr` and `rejectattr`.
    static func pick(keeps: Bool, byAttribute: Bool) -> Filter {
        { run, value, arguments throws(ApusError) in
            var rest = arguments
            var getter: AttributePath?
            if byAttribute {
                guard !rest.positional.isEmpty else { throw run.fail("wanted the name of an attribute") }
                getter = try AttributePath(run, rest.positional.removeFirst())
            }
            let test = rest.positional.isEmpty ? nil : try run.string(rest.positional.removeFirst(), "select").string
            var results: [Value] = []
            for item in try run.isTrue(value) ? try run.items(of: value) : [] {
                try run.charge()
                let tested = try getter.map { getter throws(ApusError) in try getter.value(run, item) } ?? item
                let holds: Bool
                if let test { holds = try run.applyTest(test, tested, rest) } else { holds = try run.isTrue(tested) }
                if holds == keeps { results.append(item) }
            }
            return try run.iterator(results)
        }
    }

    static let dictionarySort: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "dictsort", ["case_sensitive", "by", "reverse"])
        guard case .dictionary(let dictionary) = value else {
            if case .undefined(let undefined) = value { throw run.undefined(undefined) }
            throw run.fail("dictsort: found a value of type \(value.typeName), wanted: a mapping")
        }
        let by = try run.string(values[1] ?? .string(Text("key")), "dictsort").string
        guard by == "key" || by == "value" else { throw run.fail("dictsort sorts by 'key' or 'value'") }
        let isSensitive = try run.isTrue(values[0] ?? .bool(false))
        var keys: [Value] = []
        for key in by == "key" ? dictionary.keys : dictionary.values {
            keys.append(isSensitive ? key : try run.ignoringCase(key))
        }
        let pairs = try run.items(of: .view(dictionary, .items))
        return try run.list(try run.sorted(pairs, by: keys, reverse: try run.isTrue(values[2] ?? .bool(false))))
    }

    static let sort: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "sort", ["reverse", "case_sensitive", "attribute"])
        let isSensitive = try run.isTrue(values[1] ?? .bool(false))
        var getters: [AttributePath] = []
        if let names = values[2]?.string {
            for name in names.split(separator: ",", omittingEmptySubsequences: false) {
                getters.append(try AttributePath(run, .string(Array(name))))
            }
        } else {
            getters.append(try AttributePath(run, values[2]))
        }
        let items = try run.items(of: value)
        var keys: [Value] = []
        for item in items {
            var key: [Value] = []
            for getter in getters {
                let part = try getter.value(run, item)
                key.append(isSensitive ? part : try run.ignoringCase(part))
            }
            keys.append(try run.list(key))
        }
        return try run.list(try run.sorted(items, by: keys, reverse: try run.isTrue(values[0] ?? .bool(false))))
    }

    static let unique: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "unique", ["case_sensitive", "attribute"])
        let isSensitive = try run.isTrue(values[0] ?? .bool(false))
        let getter = try AttributePath(run, values[1])
        var seen: Set<Value.Key> = []
        var results: [Value] = []
        for item in try run.items(of: value) {
            let part = try getter.value(run, item)
            let key = try run.key(isSensitive ? part : try run.ignoringCase(part))
            if seen.insert(key).inserted { results.append(item) }
        }
        return try run.iterator(results)
    }

    static func extreme(isLargest: Bool) -> Filter {
        { run, value, arguments throws(ApusError) in
            let values = try run.bind(arguments, "max", ["case_sensitive", "attribute"])
            let isSensitive = try run.isTrue(values[0] ?? .bool(false))
            let getter = try AttributePath(run, values[1])
            var best: (item: Value, key: Value)?
            for item in try run.items(of: value) {
                let part = try getter.value(run, item)
                let key = isSensitive ? part : try run.ignoringCase(part)
                guard let known = best else {
                    best = (item, key)
                    continue
                }
                let isBetter = isLargest ? try run.isLess(known.key, key) : try run.isLess(key, known.key)
                if isBetter { best = (item, key) }
            }
            return best?.item ?? .undefined(Value.Undefined("No aggregated item, sequence was empty."))
        }
    }

    static let sum: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "sum", ["attribute", "start"])
        let getter = try AttributePath(run, values[0])
        var total = values[1] ?? .int(0)
        if total.string != nil { throw run.fail("sum: strings are not summed") }
        for item in try run.items(of: value) { total = try run.apply(.add, total, try getter.value(run, item)) }
        return total
    }

    static let groupBy: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "groupby", ["attribute", "default", "case_sensitive"], required: 1)
        let getter = try AttributePath(run, values[0], standard: values[1])
        let isSensitive = try run.isTrue(values[2] ?? .bool(false))
        let items = try run.items(of: value)
        var keys: [Value] = []
        for item in items {
            let key = try getter.value(run, item)
            keys.append(isSensitive ? key : try run.ignoringCase(key))
        }
        let order = try run.sorted(Array(items.indices), by: keys, reverse: false)
        var groups: [Value] = []
        var members: [Value] = []
        for (place, index) in order.enumerated() {
            members.append(items[index])
            if place + 1 < order.count, try run.equal(keys[index], keys[order[place + 1]]) { continue }
            let grouper = isSensitive ? keys[index] : try getter.value(run, members[0])
            groups.append(.tuple(try run.sequence([grouper, try run.list(members)], isGroup: true)))
            members = []
        }
        return try run.list(groups)
    }

    static let batch: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "batch", ["linecount", "fill_with"], required: 1)
        let size = try run.integer(values[0] ?? .none, "batch")
        guard size > 0 else { throw run.fail("batch: the size is \(size)") }
        let all = try run.items(of: value)
        var rows: [Value] = []
        var start = 0
        while start < all.count {
            var row = Array(all[start..<(all.count - start > size ? start + size : all.count)])
            if let fill = values[1], !fill.isNone, row.count < size {
                try run.allocate(size, bytesEach: 16)
                row += [Value](repeating: fill, count: size - row.count)
            }
            start += row.count
            rows.append(try run.list(row))
        }
        return try run.iterator(rows)
    }

    static let slice: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "slice", ["slices", "fill_with"], required: 1)
        let count = try run.integer(values[0] ?? .none, "slice")
        guard count > 0 else { throw run.fail("slice: the number of slices is \(count)") }
        let all = try run.items(of: value)
        try run.allocate(count, bytesEach: 64)
        let (each, longer) = all.count.quotientAndRemainder(dividingBy: count)
        var columns: [Value] = []
        var start = 0
        for index in 0..<count {
            let end = start + each + (index < longer ? 1 : 0)
            var column = Array(all[start..<end])
            if let fill = values[1], !fill.isNone, index >= longer { column.append(fill) }
            start = end
            columns.append(try run.list(column))
        }
        return try run.iterator(columns)
    }
}

/// The argument `attribute` of filters: names and numbers with points between.
struct AttributePath {
    private var parts: [Value] = []
    private let standard: Value?

    init(_ run: Interpreter, _ path: Value?, standard: Value? = nil) throws(ApusError) {
        self.standard = standard.flatMap { $0.isNone ? nil : $0 }
        guard let path, !path.isNone else { return }
        guard let text = path.string else {
            parts = [path]
            return
        }
        for part in text.split(separator: ".", omittingEmptySubsequences: false) {
            let isNumber = !part.isEmpty && part.allSatisfy(\.isASCIIDigit)
            parts.append(isNumber ? .int(Int(Array(part).string) ?? .max) : .string(Array(part)))
        }
    }

    func value(_ run: Interpreter, _ item: Value) throws(ApusError) -> Value {
        var value = item
        for part in parts {
            try run.charge()
            value = try run.item(value, part)
            if let standard, value.isUndefined { value = standard }
        }
        return value
    }
}

extension Interpreter {
    func ignoringCase(_ value: Value) throws(ApusError) -> Value {
        guard let text = value.string else { return value }
        try allocate(text.count)
        try charge(text.count)
        return .string(text.lowercased)
    }

    /// A stable sort by keys.
    func sorted<Element>(_ elements: [Element], by keys: [Value], reverse: Bool) throws(ApusError) -> [Element] {
        try allocate(elements.count, bytesEach: 16)
        var order = Array(elements.indices)
        var width = 1
        while width < order.count {
            var merged: [Int] = []
            merged.reserveCapacity(order.count)
            var start = 0
            while start < order.count {
                let middle = min(start + width, order.count)
                let end = min(start + 2 * width, order.count)
                var (left, right) = (start, middle)
                while left < middle, right < end {
                    // The right one comes first only when it is really less: equal ones keep their order.
                    let takesRight =
                        reverse
                        ? try isLess(keys[order[left]], keys[order[right]])
                        : try isLess(keys[order[right]], keys[order[left]])
                    if takesRight {
                        merged.append(order[right])
                        right += 1
                    } else {
                        merged.append(order[left])
                        left += 1
                    }
                }
                merged += order[left..<middle]
                merged += order[right..<end]
                start = end
            }
            order = merged
            width *= 2
        }
        return order.map { elements[$0] }
    }
}
