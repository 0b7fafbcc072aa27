internal import ApusModel

/// Which tokens the pages of the cache hold: a tree whose nodes are pages, whose paths are the beginnings of texts.
///
/// A node's tokens are compared in full, so a page is only ever shared by texts that agree in every token up to its end. A
/// page that ends a finished text may hold fewer than 64 tokens; such a node has no children. The tree holds a reference
/// to each of its pages. What is needed elsewhere is taken from the nodes that were used least recently.
///
/// A sequence that holds the page of a node holds the pages of its ancestors too (`Scheduler` sees to that), so a page
/// that only the tree holds has no descendant that somebody else holds.
struct PrefixTree {
    /// The tree's beginning, the node of no tokens; it has no page.
    static let root = 0

    /// Tokens of a partly filled page that are worth copying it for.
    static let leastShared = 8

    private struct Node {
        var page: Int32 = -1
        var tokens: ArraySlice<Int32> = []
        var parent = -1
        var children: [ArraySlice<Int32>: Int] = [:]
        // The neighbours in the order of use, or the next unused entry of `nodes`.
        var newer = -1
        var older = -1
    }

    private let cache: KVCache
    private var nodes = [Node()]
    private var firstUnused = -1
    private var newest = -1
    private var oldest = -1
    /// Pages in the tree.
    private(set) var count = 0
    /// Changes when all nodes have gone at once; nodes of an earlier epoch mean nothing.
    private(set) var epoch = 0

    /// A tree without pages.
    ///
    /// - Parameter cache: Whose pages it holds.
    init(_ cache: KVCache) { self.cache = cache }

    /// The page of a node.
    func page(of node: Int) -> Int32 { nodes[node].page }

    /// The node of a whole page.
    ///
    /// - Parameters:
    ///   - node: What comes before it.
    ///   - tokens: As many as a page has.
    func child(of node: Int, _ tokens: ArraySlice<Int32>) -> Int? { nodes[node].children[tokens] }

    /// The child that begins with most of the tokens.
    ///
    /// - Parameters:
    ///   - node: What comes before it.
    ///   - tokens: What is to be computed.
    /// - Returns: The child, and how many of the tokens it begins with: at least `leastShared`.
    /// - Complexity: O(children), each of which costs a comparison or few.
    func mostSharing(under node: Int, _ tokens: ArraySlice<Int32>) -> (node: Int, count: Int)? {
        var best: (node: Int, count: Int)?
        for (key, child) in nodes[node].children {
            let shared = zip(key, tokens).prefix { $0 == $1 }.count
            if shared >= Self.leastShared, shared > best?.count ?? 0 { best = (child, shared) }
        }
        return best
    }

    /// Adds a page, and a reference to it, unless the tokens have one already.
    ///
    /// - Parameters:
    ///   - parent: What comes before it; its page is held by the caller.
    ///   - tokens: What the page holds; fewer than 64 only at a text's end.
    ///   - page: The page.
    /// - Returns: The node of the tokens, whose page may be another one than `page`.
    @discardableResult
    mutating func insert(under parent: Int, _ tokens: ArraySlice<Int32>, page: Int32) -> Int {
        if let present = nodes[parent].children[tokens] { return present }
        let node = makeNode()
        nodes[node] = Node(page: page, tokens: ArraySlice(Array(tokens)), parent: parent)
        nodes[parent].children[nodes[node].tokens] = node
        cache.retain(page)
        count += 1
        link(node)
        return node
    }

    /// Adds a partly filled page, unless a page is there that holds its tokens, and drops the pages that it supersedes.
    ///
    /// - Parameters: As `insert`'s.
    mutating func insertTail(under parent: Int, _ tokens: ArraySlice<Int32>, page: Int32) {
        guard tokens.count >= Self.leastShared else { return }
        var superseded: [Int] = []
        for (key, child) in nodes[parent].children {
            if key.starts(with: tokens) { return }
            if tokens.starts(with: key), cache.references(to: nodes[child].page) == 1 { superseded.append(child) }
        }
        for child in superseded { remove(child) }
        insert(under: parent, tokens, page: page)
    }

    /// Marks a node, and what comes before it, as used now.
    ///
    /// - Complexity: O(pages of the path).
    mutating func touch(_ node: Int) {
        // From the end to the beginning: an ancestor is always newer than its descendants, which go first.
        var node = node
        while node > Self.root {
            unlink(node)
            link(node)
            node = nodes[node].parent
        }
    }

    /// Pages that `evict` could free.
    ///
    /// - Complexity: O(pages in the tree).
    var evictableCount: Int {
        var evictable = 0
        var node = oldest
        while node >= 0 {
            if cache.references(to: nodes[node].page) == 1 { evictable += 1 }
            node = nodes[node].newer
        }
        return evictable
    }

    /// Frees pages that nobody but the tree holds, least recently used first.
    ///
    /// - Parameter wanted: How many pages, if there are as many.
    mutating func evict(_ wanted: Int) {
        var left = wanted
        var node = oldest
        while node >= 0, left > 0 {
            let newer = nodes[node].newer
            if nodes[node].children.isEmpty, cache.references(to: nodes[node].page) == 1 {
                remove(node)
                left -= 1
            }
            node = newer
        }
    }

    /// Lets go of all pages.
    mutating func removeAll() {
        var node = oldest
        while node >= 0 {
            cache.release(nodes[node].page)
            node = nodes[node].newer
        }
        nodes = [Node()]
        (firstUnused, newest, oldest, count) = (-1, -1, -1, 0)
        epoch += 1
    }

    private mutating func remove(_ node: Int) {
        cache.release(nodes[node].page)
        nodes[nodes[node].parent].children[nodes[node].tokens] = nil
        unlink(node)
        nodes[node] = Node(older: firstUnused)
        firstUnused = node
        count -= 1
    }

    private mutating func makeNode() -> Int {
        guard firstUnused >= 0 else {
            nodes.append(Node())
            return nodes.count - 1
        }
        let node = firstUnused
        firstUnused = nodes[node].older
        return node
    }

    private mutating func link(_ node: Int) {
        nodes[node].older = newest
        nodes[node].newer = -1
        if newest >= 0 { nodes[newest].newer = node } else { oldest = node }
        newest = node
    }

    private mutating func unlink(_ node: Int) {
        let (newer, older) = (nodes[node].newer, nodes[node].older)
        if newer >= 0 { nodes[newer].older = older } else { newest = older }
        if older >= 0 { nodes[older].newer = newer } else { oldest = newer }
    }
}
