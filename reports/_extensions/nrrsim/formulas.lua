-- Gives each formula of the PDF the alternative text that PDF/UA-1 asks for: in words, its author's where
-- `{#eq-x alt="..."}` has some, else what its TeX source says when it is read aloud. Runs after the filters that number the equations (Quarto's own, or
-- nrrsim's quarto.lua), which leave `#math.equation(block: true, numbering: .., [`, the formula, `])<eq-x>`.

local function quoted(s)
  s = s:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
  return '"' .. s:gsub("\\", "\\\\"):gsub('"', '\\"') .. '"'
end

-- What a sign of TeX is when it is read aloud; in this order, the longer before what they hold.
local spoken = {
  {"\\left", ""}, {"\\right", ""}, {"\\[,;: ]", " "}, {"\\q?quad", ", "}, {"\\times", " times "}, {"\\cdot", " times "},
  {"\\sum%s*_(%w)", " the sum over %1 of "}, {"\\sum", " the sum of "}, {"\\min", " the smaller of "}, {"\\max", " the larger of "},
  {"\\leq?", " at most "}, {"\\geq?", " at least "}, {"<", " less than "}, {">", " more than "}, {"=", " equals "},
  {"%+", " plus "}, {"%-", " minus "}, {"%^", " to the power "}, {"_", " "}, {"%%", " percent"},
  {"(%a)%((%w+)%)", "%1 of %2"}, {"%[", " at "}, {"%]", ""},
}
local function words(tex)
  tex = tex:gsub("\\%a*text%a*(%b{})", "%1"):gsub("\\math%a*(%b{})", "%1")
  for _ = 1, 3 do   -- fractions in fractions
    tex = tex:gsub("\\[dt]?frac(%b{})(%b{})", function(over, under) return over .. " over " .. under end)
  end
  for _, rule in ipairs(spoken) do tex = tex:gsub(rule[1], rule[2]) end
  return (tex:gsub("\\(%a+)", "%1"):gsub("[{}\\]", ""):gsub("%s+", " "):gsub(" ,", ","))
end

local function typst(math)
  return (pandoc.write(pandoc.Pandoc{pandoc.Plain{math}}, "typst"):gsub("%s+$", ""))
end

function Inlines(inlines)
  local out = pandoc.Inlines{}
  for _, x in ipairs(inlines) do
    local before = out[#out]
    if x.t == "Str" and (x.text:find("...", 1, true) or x.text:find("-?", 1, true)) then
      -- Typst would print an ellipsis, or a hyphen that hides; a name stays as it is written
      out:insert(pandoc.RawInline("typst", "#" .. quoted(x.text) .. ";"))
    elseif x.t ~= "Math" then
      out:insert(x)
    elseif before and before.t == "RawInline" and before.text:match("^#math%.equation%(.*%[%s*$") then
      if not before.text:find("alt:", 1, true) then
        before.text = before.text:gsub("^#math%.equation%(", function(open) return open .. "alt: " .. quoted(words(x.text)) .. ", " end)
        out[#out] = before
      end
      out:insert(x)
    else
      out:insert(pandoc.RawInline("typst", ("#math.equation(alt: %s, block: %s, %s)"):format(
        quoted(words(x.text)), tostring(x.mathtype == "DisplayMath"), typst(x))))
    end
  end
  return out
end

if not FORMAT:match("typst") then Inlines = nil end
