-- Quarto markdown to Typst or HTML without Quarto: callouts, floats, cross-references, numbered equations.
-- For Typst it emits what Quarto's own filters emit, so that one template serves both; for HTML, plain HTML5; for Word
-- and PowerPoint, pandoc's own blocks.
-- Exits with 3, and the names on stderr, when a cross-reference leads nowhere.

local html = FORMAT:match("html") ~= nil
local office = FORMAT == "docx" or FORMAT == "pptx"   -- pandoc's own blocks, in the reference document's styles
local floats = {
  fig = {name = "Figure", position = "bottom", class = "figure"},
  tbl = {name = "Table", position = "top", class = "table"},
  lst = {name = "Listing", position = "top", class = "listing"},
}
local names = {fig = "Figure", tbl = "Table", lst = "Listing", sec = "Section", eq = "Equation"}
local callouts = {   -- title, background, accent: Quarto's own colours, which the template maps to the house's
  note = {"Note", "dae6fb", "0758E5"}, tip = {"Tip", "ccf1e3", "00A047"}, warning = {"Warning", "fcefdc", "EB9113"},
  important = {"Important", "f7dddc", "CC1914"}, caution = {"Caution", "ffe5d0", "FC5300"},
}
local numbers = {}    -- label -> number, as printed
local unresolved = pandoc.List{}

local function block(s) return pandoc.RawBlock(html and "html" or "typst", s) end
local function inline(s) return pandoc.RawInline(html and "html" or "typst", s) end
local function inlines_of(markdown) return pandoc.utils.blocks_to_inlines(pandoc.read(markdown, "markdown").blocks) end
local function styled(style, blocks) return pandoc.Div(blocks, {["custom-style"] = style}) end
local function kind_of(label) return label:match("^(%a+)%-") end
local function typst_string(s) return '"' .. s:gsub("\\", "\\\\"):gsub('"', '\\"') .. '"' end

-- `{#eq-x}` or `{#eq-x alt="..."}` after a displayed formula: label, alt, number of inlines it takes.
local function equation_label(inlines, i)
  local text, alt, first = "", nil, inlines[i]
  if not (first and first.t == "Str" and first.text:match("^{#eq%-")) then return nil end
  for j = i, #inlines do
    text = text .. pandoc.utils.stringify(inlines[j])
    if inlines[j].t == "Quoted" then alt = pandoc.utils.stringify(inlines[j].content) end
    if text:match("}$") then return text:match("^{#(eq%-[%w_-]+)"), alt, j - i + 1 end
  end
end

-- Heading levels (the title is HTML's h1), section numbers, and the number of each float, in reading order.
local function number_everything(doc)
  local top, count, section = 9, {}, {}
  doc:walk{Header = function(h) top = math.min(top, h.level) end}
  local numbered = doc.meta["number-sections"]
  doc = doc:walk{
    traverse = "topdown",
    Header = function(h)
      local depth = h.level - top + 1
      if FORMAT ~= "pptx" then h.level = depth + (html and 1 or 0) end   -- a slide begins at its own level
      if numbered and not h.classes:includes("unnumbered") then
        section[depth] = (section[depth] or 0) + 1
        for d = 1, depth do section[d] = section[d] or 0 end
        for d = depth + 1, #section do section[d] = nil end
        numbers[h.identifier] = table.concat(section, ".")
        if html then
          h.content:insert(1, pandoc.Span(numbers[h.identifier], {class = "header-section-number"}))
          h.content:insert(2, pandoc.Space())
        end
      end
      return h
    end,
    Div = function(d)
      local kind = kind_of(d.identifier)
      if floats[kind] then
        count[kind] = (count[kind] or 0) + 1
        numbers[d.identifier] = tostring(count[kind])
      end
    end,
  }
  doc:walk{
    Inlines = function(inlines)
      for i = 1, #inlines do
        local label = equation_label(inlines, i)
        if label then count.eq = (count.eq or 0) + 1; numbers[label] = tostring(count.eq) end
      end
    end,
  }
  return doc
end

local function callout(div)
  local kind
  for _, class in ipairs(div.classes) do kind = kind or class:match("^callout%-(%a+)$") end
  local house = kind and callouts[kind]
  if not house then return nil end
  local body, title = div.content, div.attributes.title and inlines_of(div.attributes.title)
  if not title and body[1] and body[1].t == "Header" then
    title = body[1].content
    body:remove(1)
  end
  title = title or pandoc.Inlines{pandoc.Str(house[1])}
  local out = pandoc.Blocks{}
  if office then
    out:insert(pandoc.Para{pandoc.Strong(title)})
    out:extend(body)
    if FORMAT == "docx" then return styled("Block Text", out) end
  elseif html then
    out:insert(block(('<aside class="callout callout-%s">'):format(kind)))
    out:insert(pandoc.Plain(pandoc.Inlines{inline('<p class="callout-title">')} .. title .. {inline("</p>")}))
    out:extend(body)
    out:insert(block("</aside>"))
  else
    out:insert(block("#callout(body: ["))
    out:extend(body)
    out:insert(pandoc.Plain(pandoc.Inlines{inline("], title: [")} .. title .. {inline(
      ('], background_color: rgb("#%s"), icon_color: rgb("#%s"), icon: none, body_background_color: white)'):format(house[2], house[3]))}))
  end
  return out
end

local function float(div)
  local kind = kind_of(div.identifier)
  local house = floats[kind]
  if not house then return nil end
  local body, written = div.content, div.attributes[kind .. "-cap"]
  local caption = written and inlines_of(written)
  if not caption and #body > 1 and body[#body].t == "Para" then   -- Quarto's syntax: the last paragraph
    caption = body[#body].content
    body:remove()
  end
  local out = pandoc.Blocks{}
  if office then
    local label = pandoc.Inlines{pandoc.Strong(house.name .. "\u{a0}" .. numbers[div.identifier]), pandoc.Space()}
    local line = styled(kind == "tbl" and "Table Caption" or "Image Caption", {pandoc.Para(label .. (caption or {}))})
    local one = #body == 1 and body[1].t == "Table" and body[1]
    if one then   -- before a caption that is not its own Word would have an empty line
      one.caption = {long = {pandoc.Plain(label .. (caption or {}))}}
    elseif house.position == "top" then
      out:insert(line)
    end
    out:extend(body)
    if house.position == "bottom" then out:insert(line) end
    return pandoc.Div(out, {id = div.identifier})
  elseif html then
    local label = pandoc.Span({pandoc.Str(house.name .. " " .. numbers[div.identifier])}, {class = "label"})
    local caption_block = pandoc.Plain(pandoc.Inlines{inline("<figcaption>"), label, pandoc.Space()} .. (caption or {}) .. {inline("</figcaption>")})
    out:insert(block(('<figure id="%s" class="%s">'):format(div.identifier, house.class)))
    if house.position == "top" then out:insert(caption_block) end
    if kind == "tbl" then   -- a wide table scrolls by itself on a narrow screen, by keyboard, too
      out:insert(block(('<div class="scroll" role="group" tabindex="0" aria-label="%s %s">'):format(house.name, numbers[div.identifier])))
    end
    out:extend(body)
    if kind == "tbl" then out:insert(block("</div>")) end
    if house.position == "bottom" then out:insert(caption_block) end
    out:insert(block("</figure>"))
  else
    out:insert(block("#figure(["))
    out:extend(body)
    local tail = pandoc.Inlines{inline("]")}
    if caption then
      tail = tail .. {inline((", caption: figure.caption(position: %s, ["):format(house.position))} .. caption .. {inline("])")}
    end
    tail:insert(inline((', kind: "quarto-float-%s", supplement: "%s", numbering: "1")<%s>'):format(kind, house.name, div.identifier)))
    out:insert(pandoc.Plain(tail))
  end
  return out
end

local function reference(cite)
  local out = pandoc.Inlines{}
  for i, c in ipairs(cite.citations) do
    local label = c.id:sub(1, 1):lower() .. c.id:sub(2)
    if not numbers[label] then unresolved:insert("@" .. c.id) end
    local name = c.mode ~= "SuppressAuthor" and names[kind_of(label)] or ""
    if i > 1 then out:extend{pandoc.Str(","), pandoc.Space()} end
    if html or office then
      out:insert(pandoc.Link((name ~= "" and name .. "\u{a0}" or "") .. (numbers[label] or "?"), "#" .. label, "", {class = "ref"}))
    else
      out:insert(inline(("#ref(<%s>, supplement: [%s])"):format(label, name)))
    end
  end
  return out
end

-- A number and its unit stay on one line, and a quarter and its year (in print the template sees to it).
local function belong(x, after)
  local number, quarter = x:match("%d$"), x:match("Q[1-4]$")
  return number and (after:match("^%%") or after:match("^pts") or after:match("^points?")) or quarter and after:match("^%d%d%d%d") or quarter and after:match("^FY%d%d")
end

local function unbroken(inlines)
  local out, i = pandoc.Inlines{}, 1
  while i <= #inlines do
    local x, space, sign = inlines[i], inlines[i + 1], inlines[i + 2]
    if x.t == "Str" and space and space.t == "Space" and sign and sign.t == "Str" and belong(x.text, sign.text) then
      out:insert(office and pandoc.Str(x.text .. "\u{a0}" .. sign.text) or pandoc.Span({x, space, sign}, {class = "nowrap"}))
      i = i + 3
    else
      out:insert(x)
      i = i + 1
    end
  end
  return out
end

local function equations(inlines)
  local out, i = pandoc.Inlines{}, 1
  while i <= #inlines do
    local x, after = inlines[i], i + 1
    while inlines[after] and (inlines[after].t == "Space" or inlines[after].t == "SoftBreak") do after = after + 1 end
    local label, alt, taken
    if x.t == "Math" and x.mathtype == "DisplayMath" then label, alt, taken = equation_label(inlines, after) end
    if not label then
      out:insert(x)
      i = i + 1
    elseif office then
      out:extend{pandoc.Span({x}, {id = label}), pandoc.Space(), pandoc.Str("(" .. numbers[label] .. ")")}
      i = after + taken
    elseif html then
      out:extend{inline(('<span class="equation" id="%s" tabindex="0">'):format(label)), x, inline(('<span class="number">(%s)</span></span>'):format(numbers[label]))}
      i = after + taken
    else
      local described = alt and "alt: " .. typst_string(alt) .. ", " or ""
      out:extend{inline(("#math.equation(%sblock: true, numbering: equation-numbering, [ "):format(described)), x, inline((" ])<%s>"):format(label))}
      i = after + taken
    end
  end
  return out
end

-- How much of a page each column takes: room for its longest word, and what is left by how long its texts are.
local function widths_of(t, columns)
  local least, most, sums = {}, {}, {least = 0, more = 0}
  for i = 1, columns do least[i], most[i] = 5, 5 end
  local function look(row)
    for i, cell in ipairs(row.cells) do
      local text = pandoc.utils.stringify(cell.contents):gsub("(%d) (p[to])", "%1\u{a0}%2")
      for word in text:gmatch("%S+") do least[i] = math.max(least[i], math.min(utf8.len(word), 24) * 1.1 + 3) end
      most[i] = math.max(most[i], math.min(utf8.len(text), 110) + 4)
    end
  end
  for _, row in ipairs(t.head.rows) do look(row) end
  for _, body in ipairs(t.bodies) do
    for _, row in ipairs(body.body) do look(row) end
  end
  for i = 1, columns do
    most[i] = math.max(most[i], least[i])
    sums.least, sums.more = sums.least + least[i], sums.more + most[i] - least[i]
  end
  local page = 94   -- signs that a line of a table holds
  local share = math.max(0, math.min(1, (page - sums.least) / math.max(sums.more, 1)))
  for i = 1, columns do least[i] = (least[i] + share * (most[i] - least[i])) / math.max(sums.least, page) end
  return least
end

-- A data frame's own HTML table becomes a real table, so that it is in the PDF, too.
local function table_of(raw)
  if html or raw.format ~= "html" or not raw.text:lower():match("<table") then return nil end
  local blocks = pandoc.read(raw.text, "html").blocks:walk{
    Div = function(d) return d.content end,
    Table = function(t)
      local columns = #t.colspecs
      t.attr = pandoc.Attr("", {"typst:no-figure"})
      t.colspecs = t.colspecs:map(function(spec) return {spec[1], nil} end)
      local right = {}
      for _, body in ipairs(t.bodies) do
        for _, row in ipairs(body.body) do
          for i, cell in ipairs(row.cells) do
            local house = cell.classes:includes("gt_right")
            if office and (cell.attributes.style or ""):match("font%-weight: bold") then
              cell.contents = cell.contents:walk{Plain = function(p) return pandoc.Plain{pandoc.Strong(p.content)} end}
            end
            cell.attr = pandoc.Attr()
            local text = pandoc.utils.stringify(cell.contents)
            if house or #row.cells == columns and text:match("^[%(%+%-$]?[%d][%d,.%%%)]*$") then cell.alignment, right[i] = "AlignRight", true end
          end
        end
      end
      if office then   -- which ask the column alone
        local need = widths_of(t, columns)
        for i, _ in ipairs(t.colspecs) do t.colspecs[i] = {right[i] and "AlignRight" or "AlignLeft", need[i]} end
      end
      for _, row in ipairs(t.head.rows) do
        for i, cell in ipairs(row.cells) do
          cell.attr = pandoc.Attr()
          cell.alignment = right[i] and "AlignRight" or "AlignLeft"
        end
      end
      return t
    end,
  }
  -- of its style sheet an empty paragraph is left
  return blocks:filter(function(b) return not office or b.t == "Table" or pandoc.utils.stringify(b):match("%S") ~= nil end)
end

-- Word takes the alternative text of a picture from its caption (Quarto from an attribute of its own).
local function described(image)
  if #image.caption == 0 and image.attributes.alt then image.caption = {pandoc.Str(image.attributes.alt)} end
  image.attributes["fig-alt"] = nil
  return image
end

return {
  {Image = FORMAT == "docx" and described or nil},
  {RawBlock = table_of},
  {traverse = "topdown", Div = callout},   -- before the headings are counted: a callout's heading is its title
  {Pandoc = number_everything},
  {traverse = "topdown", Div = float},
  {Cite = reference, Inlines = equations},
  {Inlines = (html or office) and unbroken or nil},
  {Pandoc = function()
    if #unresolved > 0 then
      io.stderr:write(table.concat(unresolved, ", "))
      os.exit(3)
    end
  end},
}
