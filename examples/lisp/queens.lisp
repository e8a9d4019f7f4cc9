; All ways to put n queens on a board so that none attacks another: 8 queens have 92.

(define (safe? row distance placed)
  (cond ((null? placed) #t)
        ((= (car placed) row) #f)
        ((= (abs (- (car placed) row)) distance) #f)
        (else (safe? row (+ distance 1) (cdr placed)))))

(define (queens n)
  (define (place column placed)
    (if (= column 0)
        1
        (let loop ((row 0) (found 0))
          (if (= row n)
              found
              (loop (+ row 1)
                    (if (safe? row 1 placed)
                        (+ found (place (- column 1) (cons row placed)))
                        found))))))
  (place n '()))

(print "4 queens: " (queens 4))
(print "6 queens: " (queens 6))
(print "8 queens: " (queens 8))
